import { describe, expect, it } from 'vitest';
import type { MediaComponent } from '#diameter/rx/media-component';
import { forkedMedia } from '#nodes/pcscf/forked-media';
import {
  applicationIdentifierOf,
  defaultRxServiceOptions,
  mediaService,
  signallingService,
  subscriptionOf,
} from '#nodes/pcscf/rx-services';
import { componentsOf, from } from './media-components-harness.ts';

const user = { address: '10.46.0.5', impus: ['sip:alice@ims.test'] };
const path = { ueAddress: '10.46.0.5', uePort: 50600, ownAddress: '172.22.0.21', ownPort: 6100 };
const facts = { user, components: [], service: null, icid: null, isPreliminary: false };

function dialog(address: string, port: number, way = 'sendrecv', rate = 38): MediaComponent[] {
  const ue = from('10.46.0.5', 'm=audio 6000 RTP/AVP 0', 'b=AS:41');
  const far = from(address, `m=audio ${port} RTP/AVP 0`, `b=AS:${rate}`, `a=${way}`);
  return [...componentsOf(ue, far).components];
}

describe('forkedMedia', () => {
  it('Q-13 P-123 has the flows of every early dialog, the largest bandwidth and the union of the gates', () => {
    const [component, ...more] = forkedMedia([
      dialog('10.46.0.9', 7000, 'sendonly', 38),
      dialog('10.46.0.10', 8000, 'recvonly', 30),
      dialog('10.46.0.9', 7000),
    ]);
    expect(more).toEqual([]);
    expect(
      component!.subComponents.map(({ flowDescriptions, flowNumber }) => [flowNumber, flowDescriptions[0]]),
    ).toEqual([
      [1, 'permit out 17 from 10.46.0.9 7000 to 10.46.0.5 6000'],
      [2, 'permit out 17 from 10.46.0.9 7001 to 10.46.0.5 6001'],
      [3, 'permit out 17 from 10.46.0.10 8000 to 10.46.0.5 6000'],
      [4, 'permit out 17 from 10.46.0.10 8001 to 10.46.0.5 6001'],
    ]);
    expect(component).toMatchObject({ maxUplink: 38_000, maxDownlink: 41_000, flowStatus: 2 });
    for (const { flowDescriptions } of component!.subComponents) expect(flowDescriptions).toHaveLength(2);
    expect(component!.codecData).toHaveLength(2);
  });

  it('Q-13 a branch that has not the media takes nothing from the others', () => {
    const removed = { number: 1, flowStatus: 4, subComponents: [], codecData: [] };
    const real = dialog('10.46.0.9', 7000);
    expect(forkedMedia([real, [removed]])).toEqual(real);
    expect(forkedMedia([[removed], real])).toEqual(real);
    expect(forkedMedia([])).toEqual([]);
    const gates = (a: string, b: string) =>
      forkedMedia([dialog('10.46.0.9', 7000, a), dialog('10.46.0.8', 7000, b)])[0]!.flowStatus;
    expect([gates('sendonly', 'inactive'), gates('inactive', 'recvonly'), gates('inactive', 'inactive')]).toEqual([
      1, 0, 3,
    ]);
  });

  it('P-123 tells forks and their winner by SIP-Forking-Indication, and an offer alone as preliminary', () => {
    expect(mediaService({ ...facts, dialogs: 'several' }).forkingIndication).toBe(1);
    expect(mediaService({ ...facts, dialogs: 'winner' }).forkingIndication).toBe(0);
    expect(mediaService(facts)).toMatchObject({ forkingIndication: undefined, serviceInfoStatus: undefined });
    expect(mediaService({ ...facts, isPreliminary: true }).serviceInfoStatus).toBe(1);
  });
});

describe('Rx services', () => {
  it('Q-12 names the ICSI of the session, else the configured service, in components as at the top', () => {
    const icsi = 'urn:urn-7:3gpp-service.ims.icsi.mmtel';
    expect(applicationIdentifierOf(icsi, 'IMS')).toBe(icsi);
    expect(applicationIdentifierOf('urn:urn-7:3gpp-application.ims.iari.x', 'IMS')).toBe('IMS');
    expect(applicationIdentifierOf(null, 'IMS')).toBe('IMS');
    expect(applicationIdentifierOf(`${icsi}.${'x'.repeat(300)}`, 'IMS')).toBe('IMS');
    const components = dialog('10.46.0.9', 7000);
    const plain = mediaService({ ...facts, components, service: icsi, icid: 'icid-1' });
    expect(plain).toMatchObject({ applicationIdentifier: icsi, chargingIdentifier: 'icid-1' });
    expect(plain.mediaComponents[0]!.applicationIdentifier).toBeUndefined();
    const both = mediaService(
      { ...facts, components, service: icsi },
      { ...defaultRxServiceOptions, identifiesComponents: true },
    );
    expect(both.mediaComponents[0]!.applicationIdentifier).toBe(icsi);
  });

  it('D-70 E.6 PyHSS: the subscription is the SIP URI with a number in front, whichever comes first', () => {
    const imsi = 'sip:001010000000001@ims.test';
    expect(subscriptionOf(['tel:+15550001', 'sip:alice@ims.test', imsi])).toEqual({ type: 2, data: imsi });
    expect(subscriptionOf(['SIP:+15550001@ims.test'])).toEqual({ type: 2, data: 'SIP:+15550001@ims.test' });
    expect(subscriptionOf(['sip:alice@ims.test', 'tel:1'])).toEqual({ type: 2, data: 'sip:alice@ims.test' });
    expect(subscriptionOf(['tel:+15550001;phone-context=x'])).toEqual({ type: 0, data: '15550001' });
    expect(subscriptionOf(['sip:@ims.test', 'sip:ims.test'])).toEqual({ type: 2, data: 'sip:@ims.test' });
    expect(subscriptionOf(['urn:service:sos'])).toBeNull();
    expect(signallingService({ ...user, impus: [] }, path).subscriptionIds).toEqual([]);
  });

  it('D-70 every component has Media-Type, Flow-Status and, for audio, a guaranteed rate and both Codec-Data', () => {
    for (const component of dialog('10.46.0.9', 7000)) {
      expect(component).toMatchObject({ mediaType: 0, flowStatus: 2, minUplink: 38_000, minDownlink: 41_000 });
      expect(component.codecData).toHaveLength(2);
    }
    for (const component of signallingService(user, path).mediaComponents) {
      expect(component).toMatchObject({ mediaType: 4, flowStatus: 2 });
    }
  });

  it('D-64 D-70 what is optional is told by configuration only', () => {
    const silent = { supportedFeatures: undefined, calledStationId: undefined, requestType: undefined };
    expect(mediaService(facts)).toMatchObject({ ...silent, requiredAccessInfo: [] });
    const options = {
      ...defaultRxServiceOptions,
      features: 3,
      calledStationId: 'ims',
      tellsRequestType: true,
      requiredAccessInfo: [0, 1],
      ipv6PrefixLength: 64,
    };
    for (const service of [mediaService(facts, options), signallingService(user, path, options)]) {
      expect(service).toMatchObject({
        supportedFeatures: [{ listId: 1, features: 3 }],
        calledStationId: 'ims',
        requestType: 0,
        requiredAccessInfo: [0, 1],
        framedAddress: { address: '10.46.0.5', prefixLength: 32 },
      });
    }
    const ipv6 = mediaService({ ...facts, user: { ...user, address: '2001:db8::5' } }, options);
    expect(ipv6.framedAddress).toEqual({ address: '2001:db8::5', prefixLength: 64 });
  });
});
