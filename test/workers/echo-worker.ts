import type { WorkerOwnership } from '#workers/dispatch';
import type { TransportPort } from '#workers/frame-link';
import type { WorkerContext, WorkerInstance } from '#workers/worker-module';

/** A worker whose behaviour the messages themselves ask for, in X- header fields. */
export function createInbox(port: TransportPort, ownership: WorkerOwnership, context: WorkerContext): WorkerInstance {
  const trail: string[] = [];
  const holds = new Map<string, number>();
  const heard: [from: number, kind: number, payload: string][] = [];
  const field = (text: string, name: string) => new RegExp(`^${name}: *(.*)\r$`, 'mi').exec(text)?.[1];
  return {
    beginBatch: () => trail.push('begin'),
    endBatch: () => trail.push('end'),
    sip(text, flow) {
      const callId = field(text, 'Call-ID') ?? '';
      trail.push(`sip ${callId}`);
      if (text.startsWith('INVITE')) holds.set(callId, ownership.retain(callId));
      if (text.startsWith('BYE')) ownership.release(holds.get(callId) ?? 0);
      const relay = field(text, 'X-Relay');
      if (relay !== undefined) for (let i = 0; i < 3; i++) port.worker(Number(relay), 7, `${callId} ${i} \u20ac\xff`);
      const dead = field(text, 'X-Dead-Port');
      if (dead !== undefined) {
        port.sip(
          'OPTIONS sip:nobody SIP/2.0\r\n\r\n',
          { ...flow, transport: 'tcp', listener: 1, port: Number(dead), connection: 0 },
          4242,
        );
      }
      const realm = field(text, 'X-Diameter');
      if (realm !== undefined) {
        const request = Buffer.alloc(20);
        request.writeUInt32BE(((context.worker << 26) | 77) >>> 0, 12);
        port.diameterRequest(request, { application: 16_777_216, realm, host: 'hss' });
      }
      const until = performance.now() + Number(field(text, 'X-Busy') ?? 0);
      while (performance.now() < until);
      if (field(text, 'X-Silent') !== undefined) return;
      const reply = () =>
        port.sip(
          `SIP/2.0 200 OK\r\nX-Worker: ${context.worker}\r\nCall-ID: ${callId}\r\nX-Seq: ${field(text, 'X-Seq') ?? ''}\r\n\r\n`,
          flow,
          0,
        );
      const late = field(text, 'X-Late');
      if (late === undefined) reply();
      else if (Number(late) > 1) setTimeout(reply, Number(late));
      else Promise.resolve().then(reply);
    },
    sendFailed: (token, failure) => trail.push(`failed ${token} ${failure}`),
    connectionClosed: (connection) => trail.push(`closed ${connection}`),
    diameter(message) {
      trail.push(`diameter ${message.toString('hex')}`);
      if ((message[4]! & 0x80) !== 0) port.diameterAnswer(Buffer.from(`answer of ${context.worker}`));
    },
    peerRestarted: (host) => trail.push(`restarted ${host}`),
    diameterFailed: (hopByHop, reason) => trail.push(`diameter failed ${hopByHop} ${reason}`),
    workerMessage(from, kind, payload) {
      heard.push([from, kind, payload]);
    },
    control(request) {
      if (request === 'fail') throw new Error('asked to fail');
      if (request === 'claim') {
        const claimed: string[] = [];
        for (let i = 0; claimed.length < 20; i++)
          if (ownership.claim(`own-${context.worker}-${i}`)) claimed.push(`own-${context.worker}-${i}`);
        return claimed;
      }
      return { trail, heard, config: context.config, worker: context.worker };
    },
  };
}
