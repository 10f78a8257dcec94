import { describe, expect, it } from 'vitest';
import { type IpsecBackend, type IpsecCounters, IpsecError } from '#ipsec/ipsec-backend';
import type { Endpoint } from '#ipsec/security-association';
import type { PcscfConfig } from '#service/config/pcscf-config';
import { openIpsecGuard, withoutProtected } from '#service/ipsec-guard';
import { brief, load, problemsOf, smallPcscf } from './config-files.ts';

const pcscf = (ipsec: object, rest = '') => `${smallPcscf}ipsec: ${JSON.stringify(ipsec)}\n${rest}`;
const loaded = (text: string) => load(text) as PcscfConfig;
const preferred = 'access: [{ from: 0.0.0.0/0, security: ipsec-preferred }]\n';

/** Each protected listener in a line. */
function lines({ listeners }: PcscfConfig): string[] {
  return listeners
    .filter(({ protection }) => protection !== undefined)
    .map((l) => `${l.index} ${l.sides} ${l.transport}:${l.address}:${l.port} ${l.protection} as ${l.sentBy}`);
}

describe('the ipsec section', () => {
  it('P-01 P-02 gives UDP and TCP on each protected port, after the plain listeners, all of them sent by port-s', () => {
    const config = loaded(pcscf({}));
    expect(config.listeners.slice(0, 2).map(({ port, protection }) => [port, protection])).toEqual([
      [5060, undefined],
      [5070, undefined],
    ]);
    expect(lines(config)).toEqual([
      '2 gm udp:127.0.0.1:5063 server as 127.0.0.1:5063',
      '3 gm tcp:127.0.0.1:5063 server as 127.0.0.1:5063',
      '4 gm udp:127.0.0.1:5062 client as 127.0.0.1:5063',
      '5 gm tcp:127.0.0.1:5062 client as 127.0.0.1:5063',
      '6 gm udp:127.0.0.1:5064 client as 127.0.0.1:5063',
      '7 gm tcp:127.0.0.1:5064 client as 127.0.0.1:5063',
      '8 gm udp:127.0.0.1:5066 client as 127.0.0.1:5063',
      '9 gm tcp:127.0.0.1:5066 client as 127.0.0.1:5063',
    ]);
    expect(config.ipsec).toMatchObject({ backend: 'auto', addresses: ['127.0.0.1'], replay: 64 });
    expect(config.ipsec?.algorithms.map(({ alg, ealg }) => `${alg}/${ealg}`)).toEqual([
      'hmac-sha-1-96/aes-cbc',
      'hmac-sha-1-96/null',
      'hmac-md5-96/aes-cbc',
      'hmac-md5-96/null',
    ]);
  });

  it('P-01 deals the client ports out to several server ports, on each address of either version', () => {
    const ports = { addresses: ['10.0.0.1', '2001:db8::1'], serverPorts: [6101, 6100], clientPorts: [1, 2, 3, 4, 5] };
    const config = loaded(pcscf({ ...ports, clientPorts: ports.clientPorts.map((port) => 5100 + port) }));
    expect(lines(config).filter((line) => line.includes('udp'))).toEqual([
      '2 gm udp:10.0.0.1:6101 server as 10.0.0.1:6101',
      '4 gm udp:10.0.0.1:6100 server as 10.0.0.1:6100',
      '6 gm udp:10.0.0.1:5101 client as 10.0.0.1:6101',
      '8 gm udp:10.0.0.1:5102 client as 10.0.0.1:6100',
      '10 gm udp:10.0.0.1:5103 client as 10.0.0.1:6101',
      '12 gm udp:10.0.0.1:5104 client as 10.0.0.1:6100',
      '14 gm udp:10.0.0.1:5105 client as 10.0.0.1:6101',
      '16 gm udp:2001:db8::1:6101 server as [2001:db8::1]:6101',
      '18 gm udp:2001:db8::1:6100 server as [2001:db8::1]:6100',
      '20 gm udp:2001:db8::1:5101 client as [2001:db8::1]:6101',
      '22 gm udp:2001:db8::1:5102 client as [2001:db8::1]:6100',
      '24 gm udp:2001:db8::1:5103 client as [2001:db8::1]:6101',
      '26 gm udp:2001:db8::1:5104 client as [2001:db8::1]:6100',
      '28 gm udp:2001:db8::1:5105 client as [2001:db8::1]:6101',
    ]);
  });

  it('P-02 refuses 5060 and 5061, ports that are both or taken, and too few client ports', () => {
    const problems = (ipsec: object) => brief(problemsOf(pcscf(ipsec)));
    expect(problems({ serverPorts: [5060] })).toEqual([
      expect.stringMatching(/serverPorts\.0: 5060 is where UEs send/),
    ]);
    expect(problems({ clientPorts: [5062, 5061] })).toEqual([expect.stringMatching(/clientPorts\.1: 5061 is where/)]);
    expect(problems({ clientPorts: [5063, 5064] })).toEqual([
      expect.stringMatching(/clientPorts\.0: 5063 is listed twice \(serverPorts\) \| each server and client port/),
    ]);
    expect(problems({ serverPorts: [5063, 5065] })).toEqual([
      expect.stringMatching(/clientPorts: each server port needs two client ports/),
    ]);
    expect(problems({ clientPorts: [5070, 5064] })).toEqual([
      expect.stringMatching(/clientPorts\.0: 5070 is the port of a plain listener at the same address/),
    ]);
  });

  it('P-02 wants addresses where gm listens on all of them', () => {
    const wild = smallPcscf.replace(
      'gm: [udp:127.0.0.1:5060]',
      'gm: [{ listen: udp:0.0.0.0:5060, advertise: pcscf.ims.test }]',
    );
    expect(brief(problemsOf(`${wild}ipsec: {}\n`))).toEqual([
      expect.stringMatching(/ipsec\.addresses: is left out, and a gm listener is at 0\.0\.0\.0/),
    ]);
    expect(lines(loaded(`${wild}ipsec: { addresses: [10.0.0.1] }\n`))[0]).toContain('udp:10.0.0.1:5063');
  });

  it('P-32 takes null as YAML has it, and pairs that TS 33.203 knows alone', () => {
    const given = (algorithms: object[]) => pcscf({ algorithms });
    expect(loaded(given([{ alg: null, ealg: 'aes-gcm' }])).ipsec?.algorithms).toEqual([
      { alg: 'null', ealg: 'aes-gcm' },
    ]);
    const problems = (alg: string | null, ealg: string | null) => brief(problemsOf(given([{ alg, ealg }])));
    expect(problems(null, null)).toEqual([
      expect.stringMatching(/algorithms\.0: alg null goes with ealg aes-gcm alone/),
    ]);
    expect(problems('hmac-sha-1-96', 'aes-gcm')).toEqual([expect.stringMatching(/ealg aes-gcm needs alg null/)]);
    expect(problems('aes-gmac', 'aes-cbc')).toEqual([expect.stringMatching(/alg aes-gmac goes with ealg null/)]);
  });

  it('P-01 is without effect where no access profile asks for IPsec, and absent without the section', () => {
    const none = loaded(pcscf({}, 'access: [{ from: 0.0.0.0/0, security: none }]\n'));
    expect([none.ipsec, lines(none)]).toEqual([undefined, []]);
    const absent = loaded(smallPcscf);
    expect([absent.ipsec, lines(absent)]).toEqual([undefined, []]);
  });
});

/** A back end in memory that keeps what it was asked for. */
class MemoryBackend implements IpsecBackend {
  readonly kind = 'userspace';
  readonly calls: string[] = [];
  failsGuard = false;
  async guard(ports: readonly Endpoint[]): Promise<void> {
    this.calls.push(`guard ${ports.map(({ address, port }) => `${address}:${port}`).join(' ')}`);
    if (this.failsGuard) throw new IpsecError('ERR_IPSEC_DENIED', 'no');
  }
  async add(): Promise<void> {}
  async remove(): Promise<void> {}
  async extend(): Promise<void> {}
  async list() {
    return [];
  }
  async counters(): Promise<IpsecCounters> {
    return { plain: 3, integrity: 0, replay: 0, mismatch: 0, unknown: 0 };
  }
  async count(): Promise<number> {
    return 8;
  }
  async close(keep: boolean): Promise<void> {
    this.calls.push(`close ${keep}`);
  }
}

function quietLog() {
  const words: string[] = [];
  const write = (_fields: object, message: string) => void words.push(message);
  return { words, log: { debug: write, info: write, warn: write, error: write } as never };
}

describe('the guard of the protected ports', () => {
  it('P-01 P-146 closes each protected port to plain traffic, says who carries ESP, and lets all stay at the end', async () => {
    const backend = new MemoryBackend();
    const { words, log } = quietLog();
    const guard = await openIpsecGuard(loaded(pcscf({})), { log }, async () => ({ backend, words: 'ours' }));
    expect(words).toEqual(['ours']);
    await expect
      .poll(() => guard!.status(2), { timeout: 5000 })
      .toEqual({ backend: 'userspace', associations: 8, sets: 2, dropped: await backend.counters() });
    await guard!.close();
    expect(backend.calls).toEqual(['guard 127.0.0.1:5063 127.0.0.1:5062 127.0.0.1:5064 127.0.0.1:5066', 'close true']);
  });

  it('P-05 does not start without a back end where UEs need one, and says what to do', async () => {
    const { log } = quietLog();
    const open = openIpsecGuard(loaded(pcscf({})), { log }, async () => ({ backend: null, words: 'no TUN here' }));
    await expect(open).rejects.toMatchObject({
      code: 'ERR_IPSEC_UNSUPPORTED',
      message: expect.stringMatching(/ipsec-required.*no TUN here.*CAP_NET_ADMIN/),
    });
  });

  it('P-05 goes on without one where UEs only prefer it, and then has no protected listeners', async () => {
    const { words, log } = quietLog();
    const config = loaded(pcscf({}, preferred));
    expect(lines(config)).toHaveLength(8);
    const guard = await openIpsecGuard(config, { log }, async () => ({ backend: null, words: 'no TUN here' }));
    expect([guard, words]).toEqual([null, ['UEs register without IPsec: no TUN here']]);
    expect(lines(withoutProtected(config))).toEqual([]);
  });

  it('P-39 gives the back end back when the ports cannot be closed', async () => {
    const backend = new MemoryBackend();
    backend.failsGuard = true;
    const { log } = quietLog();
    const open = openIpsecGuard(loaded(pcscf({})), { log }, async () => ({ backend, words: '' }));
    await expect(open).rejects.toMatchObject({ code: 'ERR_IPSEC_DENIED' });
    expect(backend.calls.at(-1)).toBe('close true');
  });

  it('P-01 asks nobody in a node without the section', async () => {
    const { log } = quietLog();
    const never = () => Promise.reject(new Error('was asked'));
    expect(await openIpsecGuard(loaded(smallPcscf), { log }, never)).toBeNull();
  });
});
