import { afterEach, describe, expect, it } from 'vitest';
import type { AaRequest } from '#diameter/rx/rx-requests';
import { mediaTypes, rxRequestTypes } from '#diameter/rx/rx-values';
import type { PcrfRuleConfig } from '#service/config/pcrf-config';
import { aar, answered, audio, found, rule, running, service, signalling, video } from './pcrf-client.ts';

const lab = running();
afterEach(() => lab.close());

const rx = { code: 5063, experimental: true };

function refuses(match: PcrfRuleConfig['match'], more: Partial<PcrfRuleConfig['reject']> = {}): PcrfRuleConfig {
  return rule({ name: 'no', match, action: 'reject', reject: { ...rx, ...more } });
}

/** A PCRF with these rules, and what it answers to AARs of sessions of their own. */
async function asked(rules: readonly PcrfRuleConfig[]) {
  const pcrf = await lab.pcrf({ rules });
  const pcscf = await lab.pcscf(pcrf.port);
  const ask = async (...of: Parameters<typeof service>) =>
    answered(await pcscf.rx.authorize(aar(pcscf.rx.newSessionId(), ...of)));
  const code = async (...of: Parameters<typeof service>) => (await ask(...of)).result.code;
  return { pcrf, pcscf, ask, code };
}

const bob = [{ type: 2, data: 'sip:bob@ims.test' }];
const ipv6 = { framedAddress: { address: '2001:db8:5::1', prefixLength: 128 } };
const fixed = audio({ codecData: ['uplink\noffer\nm=audio 1 RTP/AVP 8 0\n'] });
const image = audio({ mediaType: mediaTypes.OTHER, codecData: [] });

describe('what a rule matches', () => {
  it.each<readonly [string, PcrfRuleConfig['match'], Parameters<typeof service>, boolean]>([
    ['nothing named: all', {}, [], true],
    ['the address', { address: '10.46.0.5' }, [], true],
    ['its network', { address: '10.46.0.0/16' }, [], true],
    ['another network', { address: '10.47.0.0/16' }, [], false],
    ['an IPv6 network', { address: '2001:db8:5::/48' }, [undefined, ipv6], true],
    ['an IPv6 network, IPv4 UE', { address: '2001:db8:5::/48' }, [], false],
    ['the subscription', { subscription: 'sip:alice@ims.test' }, [], true],
    ['its beginning', { subscription: 'sip:alice@*' }, [], true],
    ['another subscription', { subscription: 'sip:bob@*' }, [], false],
    ['no beginning without a star', { subscription: 'sip:alice@' }, [], false],
    ['one of two subscriptions', { subscription: 'sip:bob@ims.test' }, [undefined, { subscriptionIds: bob }], true],
    ['Q-02 audio', { media: 'audio' }, [], true],
    ['Q-02 video beside audio', { media: 'video' }, [[audio(), video()]], true],
    ['Q-02 no video', { media: 'video' }, [], false],
    ['Q-02 no Media-Type counts as audio', { media: 'audio' }, [[audio({ mediaType: undefined })]], true],
    ['Q-02 other media', { media: 'other' }, [[image]], true],
    ['P-121 signalling', { media: 'control' }, [[signalling()]], true],
    ['Q-10 a codec', { codec: 'amr-wb' }, [], true],
    ['Q-10 a codec that is none of it', { codec: 'EVS' }, [], false],
    ['Q-10 a codec with a payload type of its own', { codec: 'PCMA' }, [[fixed]], true],
    ['media and codec of different components', { media: 'video', codec: 'AMR' }, [[audio(), video()]], false],
    ['Q-04 more bandwidth', { bandwidthAbove: 40_999 }, [], true],
    ['Q-04 as much bandwidth', { bandwidthAbove: 41_000 }, [], false],
    ['P-132 an emergency', { serviceUrn: 'sos*' }, [undefined, { serviceUrn: 'sos.police' }], true],
    ['P-132 another emergency', { serviceUrn: 'sos' }, [undefined, { serviceUrn: 'sos.police' }], false],
    ['no emergency', { serviceUrn: 'sos*' }, [], false],
    ['all of it', { address: '10.46.0.0/16', subscription: 'sip:*', media: 'audio', codec: 'AMR' }, [], true],
    ['not all of it', { address: '10.46.0.0/16', subscription: 'tel:*', media: 'audio' }, [], false],
  ])('%s', async (_what, match, of, matches) => {
    const { code, pcrf } = await asked([refuses(match)]);
    expect(await code(...of)).toBe(matches ? 5063 : 2001);
    expect(pcrf.sessions.size).toBe(matches ? 0 : 1);
  });

  it('the first rule that matches counts', async () => {
    const { code } = await asked([
      rule({ match: { serviceUrn: 'sos*' } }),
      refuses({ address: '10.46.0.5' }, { code: 5065 }),
      refuses({}),
    ]);
    expect(await code(undefined, { serviceUrn: 'sos' })).toBe(2001);
    expect(await code()).toBe(5065);
    expect(await code(undefined, { framedAddress: { address: '10.46.0.6', prefixLength: 32 } })).toBe(5063);
  });
});

describe('what a rule does', () => {
  it('P-125 it refuses with the code, a Retry-Interval and words', async () => {
    const { ask } = await asked([refuses({}, { code: 4261, retryAfter: 30 })]);
    expect(await ask()).toMatchObject({
      result: { kind: 'experimental', code: 4261, vendor: 10415 },
      retryInterval: 30,
      errorMessage: 'no of the PCRF',
      acceptable: undefined,
    });
  });

  it('P-125 it refuses with a Result-Code, 3xxx with the E bit', async () => {
    const { ask } = await asked([refuses({}, { code: 3004, experimental: false })]);
    expect((await ask()).result).toEqual({ kind: 'base', code: 3004, vendor: 0 });
  });

  it('P-125 it says which bandwidth would do, of the components that it is about, or of all together', async () => {
    const acceptable = { uplink: 64_000, downlink: 32_000 };
    const { ask } = await asked([refuses({ media: 'video' }, { acceptable }), refuses({}, { acceptable })]);
    const { mediaComponents, maxUplink } = (await ask([audio(), video()])).acceptable!;
    expect(mediaComponents).toMatchObject([{ number: 2, maxUplink: 64_000, maxDownlink: 32_000 }]);
    expect(maxUplink).toBeUndefined();
    expect((await ask()).acceptable).toEqual({ mediaComponents: [], maxUplink: 64_000, maxDownlink: 32_000 });
  });

  it('P-124 P-125 an update is judged with what was there before, and a refused one changes nothing', async () => {
    const { pcrf, pcscf } = await asked([refuses({ media: 'video', address: '10.46.0.5', bandwidthAbove: 100_000 })]);
    const id = pcscf.rx.newSessionId();
    await pcscf.rx.authorize(aar(id));
    const update: AaRequest = {
      sessionId: id,
      destinationHost: 'pcrf.epc.test',
      requestType: rxRequestTypes.UPDATE_REQUEST,
      mediaComponents: [audio({ maxUplink: 50_000 }), video()],
      specificActions: [],
      subscriptionIds: [],
    };
    expect(answered(await pcscf.rx.authorize(update)).result.code).toBe(5063);
    expect(pcrf.sessions.byId(id)!.components).toEqual(new Map([[1, audio()]]));
    const small = { ...update, mediaComponents: [audio(), video({ maxUplink: 9000, maxDownlink: 9000 })] };
    expect(answered(await pcscf.rx.authorize(small)).result.code).toBe(2001);
    expect([...pcrf.sessions.byId(id)!.components.keys()]).toEqual([1, 2]);
    expect(found(pcrf)).toEqual([]);
  });

  it('it holds the answer back', async () => {
    const { code } = await asked([rule({ delay: 80 })]);
    const startMs = performance.now();
    expect(await code()).toBe(2001);
    expect(performance.now() - startMs).toBeGreaterThan(70);
  });

  it('D-13 P-125 it does not answer; our P-CSCF goes on without, and its STR is no breach', async () => {
    const { pcrf, pcscf } = await asked([rule({ action: 'silent' })]);
    const events = { reAuth: () => undefined, aborted: () => undefined, lost: () => undefined };
    const session = pcscf.sessions.open(events, { mode: 'optional' });
    expect(await session.authorize(service())).toMatchObject({ kind: 'continue', granted: false });
    await session.end();
    expect(pcrf.counters().results).toEqual({ 'AAR none': 1, 'STR 5002': 1 });
    expect(pcrf.findings.breaches).toBe(0);
  });

  it('P-125 our P-CSCF takes a duplicate for one: it ends the session and asks once more', async () => {
    const { pcrf, pcscf } = await asked([refuses({}, { code: 5064 })]);
    const events = { reAuth: () => undefined, aborted: () => undefined, lost: () => undefined };
    const session = pcscf.sessions.open(events, { mode: 'required' });
    expect((await session.authorize(service())).kind).toBe('unavailable');
    expect(pcrf.counters().results).toMatchObject({ 'AAR x5064': 2 });
    expect(pcrf.findings.breaches).toBe(0);
  });

  it('other rules count for the requests to come', async () => {
    const { code, pcrf } = await asked([]);
    expect(await code()).toBe(2001);
    pcrf.replaceRules([refuses({})]);
    expect(pcrf.ruleCount).toBe(1);
    expect(await code()).toBe(5063);
  });
});
