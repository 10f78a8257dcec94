import { readdirSync } from 'node:fs';
import type { LiveStatus } from '../node-status.ts';
import type { MetricFamily, MetricValue } from './metrics.ts';

/** Metrics of the process and its peers: looked at when somebody asks, not counted by threads. */
export const processMetrics = [
  { name: 'cscf_build_info', help: 'Version of this node; always 1.', type: 'gauge', labels: { version: [] } },
  { name: 'cscf_worker_up', help: 'Whether a worker serves.', type: 'gauge', labels: { worker: [] } },
  {
    name: 'cscf_worker_restarts_total',
    help: 'How often a worker died and was replaced.',
    type: 'counter',
    labels: { worker: [] },
  },
  {
    name: 'cscf_diameter_peer_up',
    help: 'Whether a Diameter peer is connected and trusted to answer.',
    type: 'gauge',
    labels: { peer: [] },
  },
  {
    name: 'cscf_diameter_pending',
    help: 'Diameter requests that await the answer of a peer.',
    type: 'gauge',
    labels: { peer: [] },
  },
  {
    name: 'cscf_ipsec_associations',
    help: "Security associations of the host; with the kernel's ESP those of other programs as well.",
    type: 'gauge',
  },
  { name: 'cscf_ipsec_sets', help: 'Sets of four security associations, one for each agreement.', type: 'gauge' },
  {
    name: 'cscf_ipsec_dropped_total',
    help: 'Packets to and from protected ports that IPsec refused.',
    type: 'counter',
    labels: { cause: [] },
  },
  { name: 'process_cpu_seconds_total', help: 'CPU time of all threads, user and system.', type: 'counter' },
  { name: 'process_resident_memory_bytes', help: 'Resident memory.', type: 'gauge' },
  { name: 'process_open_fds', help: 'Open file descriptors.', type: 'gauge' },
  { name: 'process_start_time_seconds', help: 'When the process started, seconds since 1970.', type: 'gauge' },
] as const satisfies readonly MetricFamily[];

type Name = (typeof processMetrics)[number]['name'];

/** Values of `processMetrics` at this moment. */
export function readProcess(version: string, status: LiveStatus): MetricValue[] {
  const { user, system } = process.cpuUsage();
  return [
    value('cscf_build_info', 1, { version }),
    ...status.workers.flatMap(({ worker, state, restarts }) => [
      value('cscf_worker_up', Number(state !== 'starting' && state !== 'ended'), { worker: String(worker) }),
      value('cscf_worker_restarts_total', restarts, { worker: String(worker) }),
    ]),
    ...status.peers.flatMap(({ host, state, outstanding }) => [
      value('cscf_diameter_peer_up', Number(isOpen(state)), { peer: host }),
      value('cscf_diameter_pending', outstanding ?? 0, { peer: host }),
    ]),
    ...(status.ipsec === undefined
      ? []
      : [value('cscf_ipsec_associations', status.ipsec.associations), value('cscf_ipsec_sets', status.ipsec.sets)]),
    ...Object.entries(status.ipsec?.dropped ?? {}).map(([cause, count]) =>
      value('cscf_ipsec_dropped_total', count, { cause }),
    ),
    value('process_cpu_seconds_total', (user + system) / 1e6),
    value('process_resident_memory_bytes', process.memoryUsage.rss()),
    value('process_open_fds', readdirSync('/proc/self/fd').length),
    value('process_start_time_seconds', Math.round(Date.now() / 1000 - process.uptime())),
  ];
}

/** The states of a peer in which requests go to it: a suspect one is not. Source: RFC 6733 5.6, RFC 3539 3.4. */
function isOpen(state: string): boolean {
  return state === 'open-initiator' || state === 'open-responder';
}

function value(name: Name, amount: number, labels: Record<string, string> = {}): MetricValue {
  const family = processMetrics.find((candidate) => candidate.name === name)!;
  return { family, name, labels, value: amount };
}
