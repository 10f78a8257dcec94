import { describe, expect, it } from 'vitest';
import { settle } from '../../sip/resolver/known-zone.ts';
import {
  alice,
  expectQuiet,
  granted,
  icscf,
  type PcscfOptions,
  registerText,
  request,
  startPcscf,
  tokenOf,
} from './pcscf-harness.ts';

/** A P-CSCF with a DNS that knows every name; what it was asked is written down. */
function pcscfWithDns(options: PcscfOptions = {}) {
  const asked: string[] = [];
  const worker = startPcscf({
    dns: (host) => {
      asked.push(host);
      return host === 'ims.test' ? '127.0.8.2' : '127.0.8.3';
    },
    ...options,
  });
  return { worker, asked };
}

type Rig = ReturnType<typeof pcscfWithDns>;

async function send({ worker }: Rig, text: string) {
  worker.receive(text, alice.source);
  await settle();
  return worker.take();
}

/** A REGISTER of alice with another home network. */
const registerAt = (domain: string) => registerText(alice).replace('REGISTER sip:ims.test ', `REGISTER sip:${domain} `);

/** Registers alice, whose S-CSCF goes by a name; gives the token of her binding. */
async function registered(rig: Rig): Promise<string> {
  const [forwarded] = await send(rig, registerText(alice));
  const lines = granted(alice).filter((line) => !line.startsWith('Service-Route:'));
  rig.worker.answer(forwarded!, 200, [...lines, 'Service-Route: <sip:orig@scscf.ims.test;lr>']);
  rig.worker.take();
  rig.asked.length = 0;
  return tokenOf(forwarded!);
}

describe('names of next hops', () => {
  it('P-21 X-F5 asks the DNS for the home domain of the configuration', async () => {
    const rig = pcscfWithDns();
    const [forwarded] = await send(rig, registerText(alice));
    expect(forwarded!.startLine).toBe('REGISTER sip:ims.test SIP/2.0');
    expect(forwarded!.target).toMatchObject({ address: icscf.split(' ')[1]!.split(':')[0] });
    expect(rig.asked).toEqual(['ims.test']);
    expectQuiet(rig.worker);
  });

  it.each(['attacker.example', 'x1234.ims.test', 'ims.test.attacker.example', '_sip.ims.test'])(
    'X-F5 does not ask the DNS for %s, which a UE registers with: 504',
    async (domain) => {
      const rig = pcscfWithDns();
      const [answer] = await send(rig, registerAt(domain));
      expect(answer!.startLine).toBe('SIP/2.0 504 Server Time-out');
      expect(answer!.header('Warning')).toContain('unresolvable');
      expect(rig.asked).toEqual([]);
      expectQuiet(rig.worker);
    },
  );

  it('P-21 X-F5 asks for the home networks that the configuration names beside its own', async () => {
    const rig = pcscfWithDns({ homeNetworks: ['ims.mnc001.mcc001.3gppnetwork.org'] });
    const [forwarded] = await send(rig, registerAt('ims.mnc001.mcc001.3gppnetwork.org'));
    expect(forwarded!.startLine).toMatch(/^REGISTER /);
    expect(rig.asked).toEqual(['ims.mnc001.mcc001.3gppnetwork.org']);
    expectQuiet(rig.worker);
  });

  it('X-F5 asks for what the home network has named in the Service-Route', async () => {
    const rig = pcscfWithDns();
    await registered(rig);
    const [invite] = await send(rig, request(alice, 'INVITE', 'sip:bob@elsewhere.example'));
    expect(invite!.startLine).toBe('INVITE sip:bob@elsewhere.example SIP/2.0');
    expect(rig.asked).toEqual(['scscf.ims.test']);
    rig.worker.stop();
  });

  it.each([
    ['a name of the home domain that nobody has named', '<sip:x77.ims.test;lr>', []],
    ['the S-CSCF of the Service-Route', '<sip:scscf.ims.test;lr>', ['scscf.ims.test']],
    ['the home domain', '<sip:ims.test;lr>', ['ims.test']],
  ])('X-F5 a request inside a dialog that is not known here, with a Route to %s', async (_name, route, expected) => {
    const rig = pcscfWithDns();
    const token = await registered(rig);
    for (const method of ['BYE', 'ACK']) {
      rig.asked.length = 0;
      const routes = [`Route: <sip:${token}@127.0.8.1:5060;lr>, ${route}`, 'To: <sip:bob@ims.test>;tag=b'];
      const [sent] = await send(rig, request(alice, method, 'sip:bob@10.0.0.9', routes));
      expect(rig.asked).toEqual(expected);
      if (expected.length > 0) expect(sent!.startLine).toBe(`${method} sip:bob@10.0.0.9 SIP/2.0`);
      else if (method === 'BYE') expect(sent!.startLine).toBe('SIP/2.0 504 Server Time-out');
      else expect(sent).toBeUndefined();
    }
    rig.worker.stop();
  });
});
