import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ScscfConfig } from '#service/config/scscf-config';
import { HomeNetwork } from './home-network.ts';

let net: HomeNetwork;
const start = async (sessionTimer?: ScscfConfig['sessionTimer']) => {
  net?.stop();
  net = new HomeNetwork(sessionTimer === undefined ? {} : { sessionTimer });
  await net.registered();
};
beforeEach(() => start());
afterEach(() => {
  expect(net.harness.failures).toEqual([]);
  net.stop();
});

const originating = ['Route: <sip:orig@127.0.0.1:6060;lr>', 'P-Asserted-Identity: <sip:alice@ims.test>'];
const call = (...lines: string[]) => net.send('INVITE', 'sip:bob@ims.test', [...originating, ...lines]);

describe('session timers', () => {
  it('S-115 gives a session of a caller that supports timers one, and no other', async () => {
    const [invite] = await call('Supported: 100rel, timer');
    expect([invite!.header('Session-Expires'), invite!.header('Min-SE')]).toEqual(['1800', null]);
    const [plain] = await call('Supported: 100rel');
    expect(plain!.header('Session-Expires')).toBeNull();
    const [asked] = await call('Supported: timer', 'Session-Expires: 600;refresher=uas', 'Min-SE: 120');
    expect([asked!.header('Session-Expires'), asked!.header('Min-SE')]).toEqual(['600;refresher=uas', '120']);
    const [message] = await net.send('MESSAGE', 'sip:bob@ims.test', [...originating, 'Supported: timer']);
    expect(message!.header('Session-Expires')).toBeNull();
    const [update] = await net.send('UPDATE', 'sip:bob@ims.test', [...originating, 'Supported: timer']);
    expect([update!.method, update!.header('Session-Expires')]).toEqual(['UPDATE', null]);
  });

  it('S-115 lets the caller refresh where the callee says nothing, and leaves what they agree on', async () => {
    const [invite] = await call('Supported: timer');
    net.harness.answer(invite!, 200, ['Contact: <sip:bob@10.0.0.2>']);
    const [ok] = net.harness.take();
    expect([ok!.header('Session-Expires'), ok!.header('Require')]).toEqual(['1800;refresher=uac', 'timer']);
    const [second] = await call('Supported: timer');
    net.harness.answer(second!, 200, ['Contact: <sip:bob@10.0.0.2>', 'Session-Expires: 900;refresher=uas']);
    const [agreed] = net.harness.take();
    expect([agreed!.all('Session-Expires'), agreed!.header('Require')]).toEqual([['900;refresher=uas'], null]);
    const [third] = await call('Session-Expires: 900');
    net.harness.answer(third!, 200, ['Contact: <sip:bob@10.0.0.2>']);
    expect(net.harness.take()[0]!.header('Session-Expires')).toBeNull();
  });

  it('S-115 refuses an interval that is too short, raises it for a caller that cannot be told, lowers a long one', async () => {
    await start({ insert: 'none', defaultSeconds: 1800, minSeconds: 300, maxSeconds: 3600 });
    const [refused] = await call('Supported: timer', 'Session-Expires: 200');
    expect([refused!.status, refused!.header('Min-SE')]).toEqual([422, '300']);
    expect(net.harness.refusals).toEqual(['session-too-brief']);
    const [raised] = await call('Session-Expires: 200');
    expect([raised!.header('Session-Expires'), raised!.header('Min-SE')]).toEqual(['300', '300']);
    const [lowered] = await call('Supported: timer', 'Session-Expires: 7200');
    expect(lowered!.header('Session-Expires')).toBe('3600');
    const [none] = await call('Supported: timer');
    expect(none!.header('Session-Expires')).toBeNull();
  });
});
