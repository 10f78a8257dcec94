import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allowedServices, subscribedServices } from '#nodes/scscf/preferred-service';
import { RegistrationStore } from '#nodes/scscf/registration-store';
import type { ScscfConfig } from '#service/config/scscf-config';
import { createRequest } from '#sip/message/create';
import { Header } from '#sip/message/header-names';
import { profileXml } from '../../fixtures/test-hss.ts';
import { HomeNetwork } from './home-network.ts';

let net: HomeNetwork;
beforeEach(() => {
  net = new HomeNetwork();
});
afterEach(() => net.stop());

const authorization = (...ids: string[]) =>
  `<CoreNetworkServicesAuthorization><SubscribedMediaProfileId>3</SubscribedMediaProfileId><Extension><ListOfServiceIds>${ids
    .map((id) => `<ServiceId>${id}</ServiceId>`)
    .join('')}</ListOfServiceIds></Extension></CoreNetworkServicesAuthorization>`;
const withServices = (xml: string, ...ids: string[]) =>
  xml.replace('</ServiceProfile>', `${authorization(...ids)}</ServiceProfile>`);

describe('ListOfServiceIds', () => {
  it('S-29 is that of the service profile of the identity, and null where the profile says nothing', () => {
    const one = withServices(profileXml('sip:alice@ims.test'), 'urn:a', 'urn:b');
    const two = profileXml('sip:carol@ims.test').replace(/^.*<ServiceProfile>/, '<ServiceProfile>');
    const xml = Buffer.from(one.replace('</IMSSubscription>', two));
    expect(subscribedServices(xml, 'sip:alice@ims.test')).toEqual(['urn:a', 'urn:b']);
    expect(subscribedServices(xml, 'sip:carol@ims.test')).toBeNull();
    expect(subscribedServices(xml, 'sip:other@ims.test')).toEqual(['urn:a', 'urn:b']);
    expect(subscribedServices(Buffer.from(profileXml('sip:alice@ims.test')), 'sip:alice@ims.test')).toBeNull();
    expect(subscribedServices(null, 'sip:alice@ims.test')).toBeNull();
  });

  it('S-29 counts before the configuration, for as long as the user is registered', async () => {
    const profile = withServices(profileXml('sip:alice@ims.test'), 'urn:a');
    net.hss.subscribers.set('alice@ims.test', { profile });
    await net.registered();
    await net.registered({ impi: 'bob@ims.test', callId: 'b' });
    const registrations = new RegistrationStore(net.store);
    const context = { config: { allowedServices: ['urn:c'] } as unknown as ScscfConfig };
    const state = { context, registrations } as unknown as Parameters<typeof allowedServices>[0];
    const asks = createRequest('INVITE', 'sip:x@y', [[Header['P-Preferred-Service'], 'urn:a']]);
    expect(allowedServices(state, asks, 'sip:alice@ims.test', 'sip:alice@ims.test')).toEqual(['urn:a']);
    expect(allowedServices(state, asks, 'sip:bob@ims.test', 'sip:bob@ims.test')).toEqual(['urn:c']);
    const silent = createRequest('INVITE', 'sip:x@y', []);
    expect(allowedServices(state, silent, 'sip:alice@ims.test', 'sip:alice@ims.test')).toBeNull();
  });
});
