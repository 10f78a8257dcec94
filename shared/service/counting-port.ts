import type { TransportPort } from '#workers/frame-link';
import type { WorkerTrace } from '#workers/worker-side';
import type { SipMessageCounters } from './metrics/cscf-metrics.ts';

/** The port of the transport side, with what goes out counted, and traced where somebody traces. */
export function countingPort(
  port: TransportPort,
  messages: SipMessageCounters,
  trace: WorkerTrace | null,
): TransportPort {
  return {
    sip(text, target, token) {
      if (text.charCodeAt(0) === 83 && text.startsWith('SIP/2.0 ')) {
        const status = (text.charCodeAt(8) - 48) * 100 + (text.charCodeAt(9) - 48) * 10 + text.charCodeAt(10) - 48;
        messages.response('out', target.transport, status);
      } else messages.request('out', target.transport, text.slice(0, text.indexOf(' ')));
      port.sip(text, target, token);
    },
    closeConnection: (connection) => port.closeConnection(connection),
    holdConnection: (connection, held) => port.holdConnection(connection, held),
    diameterRequest(message, route) {
      trace?.diameter('out', message);
      port.diameterRequest(message, route);
    },
    diameterAnswer(message) {
      trace?.diameter('out', message);
      port.diameterAnswer(message);
    },
    worker: (to, kind, payload) => port.worker(to, kind, payload),
    associations: port.associations ?? null,
  };
}
