import { parentPort, workerData } from 'node:worker_threads';
import { cscfLayout, SipMessageCounters } from '#service/metrics/cscf-metrics';
import { Counters } from '#service/metrics/metrics';

/** Counts what a worker would, then ends. */
const { block, rounds } = workerData as { block: SharedArrayBuffer; rounds: number };
const counters = new Counters(cscfLayout, block);
const messages = new SipMessageCounters(counters);
for (let i = 0; i < rounds; i++) {
  messages.request('in', 'udp', 'REGISTER');
  messages.response('out', 'tcp', 401);
  counters.addDynamic(cscfLayout.id('cscf_refusals_total'), 'no-dialog');
}
parentPort?.postMessage('done');
