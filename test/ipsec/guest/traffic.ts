import type { Agreement } from './association-set.ts';
import { same } from './check-list.ts';
import type { RemoteHost } from './remote-host.ts';

/** A UE and its P-CSCF, their processes and addresses. */
export interface Pair {
  readonly ue: RemoteHost;
  readonly pcscf: RemoteHost;
  readonly agreement: Agreement;
}

/** How long something is waited for that has to come, and for what must not come. */
const arrivalMs = 5000;
const silenceMs = 700;

/** Binds and guards the ports of both sides. */
export async function openPorts({ ue, pcscf, agreement }: Pair): Promise<void> {
  const { uc, us, pc, ps } = agreement.ports;
  await ue.ask('guard', endpoints(agreement.ue, [uc, us]));
  await pcscf.ask('guard', endpoints(agreement.pcscf, [pc, ps]));
  await bindPorts(ue, agreement.ue, [uc, us], us);
  await bindPorts(pcscf, agreement.pcscf, [pc, ps], ps);
}

/** UDP on all ports, TCP on the one that listens. */
export async function bindPorts(host: RemoteHost, address: string, ports: readonly number[], listen: number) {
  for (const port of ports) await host.ask('bindUdp', address, port);
  await host.ask('listenTcp', address, listen);
}

export function endpoints(address: string, ports: readonly number[]) {
  return ports.map((port) => ({ address, port }));
}

/** Installs the four associations on both sides. */
export async function agree({ ue, pcscf, agreement }: Pair): Promise<void> {
  await ue.ask('add', 'ue', agreement);
  await pcscf.ask('add', 'pcscf', agreement);
}

/** Removes them. */
export async function part({ ue, pcscf, agreement }: Pair): Promise<void> {
  await ue.ask('remove', 'ue', agreement);
  await pcscf.ask('remove', 'pcscf', agreement);
}

/** UDP and TCP in both directions, between the ports of TS 33.203 7.1. Throws when something does not arrive. */
export async function everyWay(pair: Pair, octets = 20_000): Promise<void> {
  await requestByUdp(pair);
  await requestToUe(pair);
  await tcpBothWays(pair, octets);
}

/** A request uc -> ps and its answer pc -> us. */
export async function requestByUdp({ ue, pcscf, agreement }: Pair): Promise<void> {
  const { uc, us, pc, ps } = agreement.ports;
  await sends(ue, uc, agreement.pcscf, ps, 'REGISTER');
  same(await pcscf.ask('receivedUdp', 1, arrivalMs), [`${uc}>${ps} REGISTER`], 'at port-s of the P-CSCF');
  await sends(pcscf, pc, agreement.ue, us, '200');
  same(await ue.ask('receivedUdp', 1, arrivalMs), [`${pc}>${us} 200`], 'at port-s of the UE');
}

/** A request pc -> us and its answer uc -> ps. */
export async function requestToUe({ ue, pcscf, agreement }: Pair): Promise<void> {
  const { uc, us, pc, ps } = agreement.ports;
  await sends(pcscf, pc, agreement.ue, us, 'INVITE');
  same(await ue.ask('receivedUdp', 1, arrivalMs), [`${pc}>${us} INVITE`], 'at port-s of the UE');
  await sends(ue, uc, agreement.pcscf, ps, '180');
  same(await pcscf.ask('receivedUdp', 1, arrivalMs), [`${uc}>${ps} 180`], 'at port-s of the P-CSCF');
}

async function tcpBothWays({ ue, pcscf, agreement }: Pair, octets: number): Promise<void> {
  const { uc, us, pc, ps } = agreement.ports;
  const end = (address: string, port: number) => ({ address, port });
  const out = await ue.ask('askTcp', end(agreement.ue, uc), end(agreement.pcscf, ps), octets, 2 * arrivalMs);
  same(out, 'echo', 'TCP from the UE');
  const back = await pcscf.ask('askTcp', end(agreement.pcscf, pc), end(agreement.ue, us), octets, 2 * arrivalMs);
  same(back, 'echo', 'TCP to the UE');
}

/** Sends datagrams that nobody may get; gives by how much each counter of the receiver rose. */
export async function nothingArrives(
  from: RemoteHost,
  to: RemoteHost,
  send: (count: number) => Promise<void>,
  count: number,
): Promise<Record<string, number>> {
  const before = await to.ask('counters');
  await send(count);
  same(await to.ask('receivedUdp', 1, silenceMs), [], `what came from ${from.host.name}`);
  const after = await to.ask('counters');
  return Object.fromEntries(
    (Object.keys(after) as (keyof typeof after)[])
      .map((name) => [name, after[name] - before[name]] as const)
      .filter(([, rise]) => rise !== 0),
  );
}

/** Sends so many datagrams from a port. */
export function datagrams(from: RemoteHost, port: number, address: string, to: number) {
  return async (count: number): Promise<void> => {
    for (let at = 0; at < count; at++) await from.ask('sendUdp', port, address, to, `datagram ${at}`);
  };
}

async function sends(from: RemoteHost, port: number, address: string, to: number, text: string): Promise<void> {
  same(await from.ask('sendUdp', port, address, to, text), null, `sending ${text}`);
}
