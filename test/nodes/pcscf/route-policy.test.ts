import { afterEach, describe, expect, it } from 'vitest';
import { responseTo } from '../worker-harness.ts';
import {
  alice,
  expectQuiet,
  type PcscfOptions,
  type PcscfWorker,
  register,
  request,
  scscf,
  serviceRoute,
  startPcscf,
} from './pcscf-harness.ts';

let worker: PcscfWorker;
afterEach(() => expectQuiet(worker));

const mo = '<sip:mo@127.0.8.3:6060;lr>';
const mt = '<sip:mt@127.0.8.3:6060;lr>';

/** A call of alice; gives what a further request of hers leaves with as Route, null when it is refused. */
function inCall(options: PcscfOptions): (route: string) => string | null {
  worker = startPcscf(options);
  const token = register(worker, alice);
  const own = `<sip:${token}@127.0.8.1:5060;lr>`;
  const lines = [`Route: <sip:127.0.8.1:5060;lr>, ${serviceRoute}`, 'Call-ID: c'];
  worker.receive(request(alice, 'INVITE', 'sip:bob@ims.test', lines), alice.source);
  const ok = responseTo(worker.takeOne(), 200, ['Contact: <sip:far@127.32.0.9:5070>']);
  worker.receive(ok.replace('Record-Route: ', `Record-Route: ${mt}, ${mo}\r\nRecord-Route: `), scscf);
  worker.take();
  return (route) => {
    const inside = ['Call-ID: c', 'To: <sip:bob@ims.test>;tag=remote', `Route: ${own}${route}`];
    worker.receive(request(alice, 'INFO', 'sip:far@127.32.0.9:5070', inside), alice.source);
    const [sent] = worker.take();
    if (sent!.status > 0) return null;
    expect(sent!.to).toBe(scscf);
    return sent!.header('Route')!;
  };
}

const stored = `${mo}, ${mt}`;
const detours = [`, ${mo}`, `, ${mo}, <sip:as.ims.test;lr>`, ', <sip:mo@127.0.8.3:6060;lr;x=1>', `, ${mt}, ${mo}`, ''];

describe('the Route of a UE inside a dialog', () => {
  it('P-101 X-I4 strict: it is rebuilt from the stored route set, whatever the UE writes', () => {
    const routeOf = inCall({ route: 'strict' });
    for (const detour of [...detours, ', <sip:203.0.113.1;lr>']) expect(routeOf(detour), detour).toBe(stored);
  });

  it('P-101 loose: the Route of the UE counts, if it leads to the same next hop', () => {
    const routeOf = inCall({ route: 'loose' });
    expect(routeOf(`, ${mo}, ${mt}`)).toBe(stored);
    expect(routeOf(`, ${mo}`)).toBe(mo);
    expect(routeOf(`, ${mo}, <sip:as.ims.test;lr>`)).toBe(`${mo}, <sip:as.ims.test;lr>`);
  });

  it.each([
    ', <sip:203.0.113.1;lr>',
    ', <sip:mo@127.0.8.3:6061;lr>',
    ', <sip:mo@127.0.8.3:6060>',
    ', <sip:mo@127.0.8.3:6060;lr;maddr=203.0.113.1>',
    '',
  ])('P-101 X-I4 loose: %j leads elsewhere, and is replaced', (route) => {
    expect(inCall({ route: 'loose' })(route)).toBe(stored);
  });

  it('P-101 X-I4 with serviceRoute strict what differs is refused, in a dialog too', () => {
    const routeOf = inCall({ route: 'strict', serviceRoute: 'strict' });
    expect(routeOf(`, ${mo}, ${mt}`)).toBe(stored);
    expect(routeOf(', <sip:203.0.113.1;lr>')).toBeNull();
  });
});
