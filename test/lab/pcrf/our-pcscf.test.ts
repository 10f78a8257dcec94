import { afterEach, describe, expect, it } from 'vitest';
import { forkedMedia } from '#nodes/pcscf/forked-media';
import {
  defaultRxServiceOptions,
  type MediaServiceFacts,
  mediaService,
  signallingService,
} from '#nodes/pcscf/rx-services';
import { componentsOf, from } from '../../nodes/pcscf/media-components-harness.ts';
import { found, running } from './pcrf-client.ts';

const lab = running();
afterEach(() => lab.close());

const near = '10.46.0.5';
const far = '10.46.0.9';
const user = { address: near, impus: ['sip:001010000000001@ims.test'] };
const events = { reAuth: () => undefined, aborted: () => undefined, lost: () => undefined };

const audio = (port: number, ...lines: string[]) => [
  `m=audio ${port} RTP/AVP 104`,
  'b=AS:41',
  'a=rtpmap:104 AMR-WB/16000/1',
  ...lines,
];
const video = (port: number) => [`m=video ${port} RTP/AVP 98`, 'a=rtpmap:98 H264/90000'];

/** A PCRF that enforces, and what our P-CSCF's sessions get from it. */
async function network() {
  const pcrf = await lab.pcrf({ enforce: true });
  const pcscf = await lab.pcscf(pcrf.port);
  const session = pcscf.sessions.open(events, { mode: 'required' });
  const tell = async (facts: Partial<MediaServiceFacts>) => {
    const service = { user, components: [], service: null, icid: 'icid-1', isPreliminary: false, ...facts };
    return session.authorize(mediaService(service, { ...defaultRxServiceOptions, tellsRequestType: true }));
  };
  return { pcrf, pcscf, session, tell };
}

const granted = { kind: 'continue', granted: true };

describe('a PCRF that enforces finds nothing in what our P-CSCF sends', () => {
  it('Q-01 Q-03 Q-07 Q-08 Q-10 P-123 P-124 in a call that gets video, is held, and loses it again', async () => {
    const { pcrf, session, tell } = await network();
    const first = componentsOf(from(near, ...audio(49152)), from(far, ...audio(50010)));
    expect(await tell({ components: first.components })).toMatchObject(granted);
    const both = componentsOf(
      from(near, ...audio(49152), ...video(49160)),
      from(far, ...audio(50010), ...video(50020)),
      first,
    );
    expect(await tell({ components: both.components })).toMatchObject(granted);
    const held = componentsOf(
      from(near, ...audio(49152, 'a=recvonly'), ...video(49160)),
      from(far, ...audio(50010, 'a=sendonly'), ...video(50020)),
      { ...both, offerer: 'remote' },
    );
    expect(await tell({ components: held.components })).toMatchObject(granted);
    const without = componentsOf(
      from(near, ...audio(49152), ...video(0)),
      from(far, ...audio(50010), ...video(0)),
      held,
    );
    expect(await tell({ components: without.components })).toMatchObject(granted);
    expect([...pcrf.sessions.byId(session.id)!.components.keys()]).toEqual([1]);
    await session.end();
    expect(found(pcrf)).toEqual([]);
  });

  it('P-123 when only the offer is known', async () => {
    const { pcrf, session, tell } = await network();
    const offer = componentsOf(from(near, ...audio(49152)), null);
    expect(await tell({ components: offer.components, isPreliminary: true })).toMatchObject(granted);
    await session.end();
    expect(found(pcrf)).toEqual([]);
  });

  it('Q-13 P-123 when a call is forked', async () => {
    const { pcrf, session, tell } = await network();
    const dialog = (address: string) =>
      componentsOf(from(near, ...audio(49152)), from(address, ...audio(50010))).components;
    expect(await tell({ components: dialog(far) })).toMatchObject(granted);
    const forked = forkedMedia([dialog(far), dialog('10.46.0.10')]);
    expect(await tell({ components: forked, dialogs: 'several' })).toMatchObject(granted);
    expect(await tell({ components: dialog('10.46.0.10'), dialogs: 'winner' })).toMatchObject(granted);
    await session.end();
    expect(found(pcrf)).toEqual([]);
  });

  it('P-132 D-70 in an emergency call by IPv6', async () => {
    const { pcrf, session, tell } = await network();
    const { components: told } = componentsOf(
      from('2001:db8::5', ...audio(49152)),
      from('2001:db8::9', ...audio(50010)),
    );
    const facts = { components: told, serviceUrn: 'sos.police', user: { ...user, address: '2001:db8::5' } };
    expect(await tell(facts)).toMatchObject(granted);
    expect(pcrf.sessions.byAddress('2001:db8::5')).toMatchObject([{ id: session.id, serviceUrn: 'sos.police' }]);
    await session.end();
    expect(found(pcrf)).toEqual([]);
  });

  it.each([false, true])('P-121 D-70 of a registration (flows described: %s)', async (provisionsFlows) => {
    const { pcrf, session } = await network();
    const path = { ueAddress: near, uePort: 50600, ownAddress: '172.22.0.21', ownPort: 6100 };
    const service = signallingService(user, path, { ...defaultRxServiceOptions, provisionsFlows, features: 3 });
    expect(await session.authorize(service)).toMatchObject(granted);
    await session.end();
    expect(found(pcrf)).toEqual([]);
  });
});
