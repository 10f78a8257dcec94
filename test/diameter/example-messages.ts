import { type Avp, avp } from '#diameter/codec/avp-types';
import { encodeMessage } from '#diameter/codec/encode';
import { baseAvps } from '#diameter/dictionary/base';
import type { AvpDefinition, AvpRules, CommandDefinition, Dictionary } from '#diameter/dictionary/dictionary';

const texts: Readonly<Record<string, string>> = {
  'Session-Id': 'client.ims.test;1790000000;7',
  'User-Name': 'user@ims.test',
  'Subscription-Id-Data': 'sip:user@ims.test',
  'Digest-HA1': '0123456789abcdef0123456789abcdef',
  'Digest-Algorithm': 'MD5',
  'Digest-QoP': 'auth',
  'Flow-Description': 'permit out 17 from 10.46.0.9 50010 to 10.46.0.5 49152',
  // As TS 29.061 and TS 29.274 code them: TAI and ECGI, a quarter of an hour, MCC and MNC, cause, SSID.
  '3GPP-User-Location-Info': '\x82\x00\xf1\x10\x00\x01\x00\xf1\x10\x00\x00\x00\x01',
  '3GPP-MS-TimeZone': '\x40\x00',
  '3GPP-SGSN-MCC-MNC': '00101',
  'RAN-NAS-Release-Cause': '\x10\x00',
  'TWAN-Identifier': '\x00\x04wlan',
  'User-Data': '<?xml version="1.0"?><IMSSubscription></IMSSubscription>',
};
const numbers: Readonly<Record<string, number>> = {
  'Vendor-Id': 10415,
  'Supported-Vendor-Id': 10415,
  'Auth-Application-Id': 16777216,
  'Acct-Application-Id': 16777216,
  'Result-Code': 2001,
  'Experimental-Result-Code': 5001,
  'Inband-Security-Id': 0,
  'NetLoc-Access-Support': 0,
  'Subscription-Id-Type': 2,
};

/** An AVP with a value that fits: a group has all members that its table names, those that may be repeated twice. */
export function exampleAvp(definition: AvpDefinition, dictionary: Dictionary): Avp {
  const { name, type } = definition;
  switch (type) {
    case 'Grouped': {
      const group = dictionary.group(definition);
      // Of these groups the tables say nothing.
      const value = group === undefined ? [avp(baseAvps.userName, 'user@ims.test')] : exampleAvps(group, dictionary);
      return { definition, value };
    }
    case 'Unsigned32':
    case 'Integer32':
    case 'Enumerated':
      return { definition, value: numbers[name] ?? Object.values(definition.values ?? {})[0] ?? 1 };
    case 'Unsigned64':
    case 'Integer64':
      return { definition, value: 1n };
    case 'Address':
      return avp(definition as AvpDefinition<'Address'>, '2001:db8::1');
    case 'Time':
      return avp(definition as AvpDefinition<'Time'>, 1_790_000_000);
    case 'Float32':
    case 'Float64':
      return avp(definition as AvpDefinition<'Float64'>, 1.5);
    case 'DiameterIdentity':
      return { definition, value: 'host.ims.test' };
    case 'DiameterURI':
      return { definition, value: 'aaa://ccf.ims.test:3868;transport=tcp' };
    case 'OctetString':
    case 'UTF8String':
    case 'IPFilterRule':
      if (definition.length !== undefined) return { definition, value: Buffer.alloc(definition.length[1], 10) };
      return { definition, value: texts[name] ?? 'sip:user@ims.test' };
  }
}

/** All AVPs of a table, in its order. */
function exampleAvps(rules: AvpRules, dictionary: Dictionary): Avp[] {
  return [...new Set([...rules.required, ...(rules.optional ?? [])])].flatMap((definition) => {
    const one = exampleAvp(definition, dictionary);
    return rules.repeated?.includes(definition) ? [one, one] : [one];
  });
}

const transit = [baseAvps.proxyInfo, baseAvps.routeRecord];

/** A request with everything that its row names. */
export function exampleRequest(command: CommandDefinition, dictionary: Dictionary): Buffer {
  const { application, code } = command;
  const isBase = application.id === 0;
  const rules: AvpRules = {
    required: [...(isBase ? [] : [baseAvps.sessionId]), ...command.required, baseAvps.originHost, baseAvps.originRealm],
    optional: [...(command.optional ?? []), ...(isBase ? [] : [baseAvps.drmp, ...transit])],
    repeated: [...(command.repeated ?? []), ...transit],
  };
  const header = { flags: isBase ? 0x80 : 0xc0, command: code, application: application.id };
  return encodeMessage({ ...header, hopByHop: 0x1234, endToEnd: 0x5678 }, exampleAvps(rules, dictionary));
}

/** An answer with everything that its row names, and one of both kinds of result. */
export function exampleAnswer(command: CommandDefinition, dictionary: Dictionary, experimental = false): Buffer {
  const { application, code } = command;
  const isBase = application.id === 0;
  const rules: AvpRules = {
    required: [
      ...(isBase ? [] : [baseAvps.sessionId]),
      ...(application.stateless ? [baseAvps.vendorSpecificApplicationId, baseAvps.authSessionState] : []),
      experimental ? baseAvps.experimentalResult : baseAvps.resultCode,
      baseAvps.originHost,
      baseAvps.originRealm,
      ...(command.answer?.required ?? []),
    ],
    optional: [...(command.answer?.optional ?? []), ...(isBase ? [] : [baseAvps.proxyInfo])],
    repeated: [...(command.answer?.repeated ?? []), baseAvps.proxyInfo],
  };
  const header = { flags: isBase ? 0 : 0x40, command: code, application: application.id };
  return encodeMessage({ ...header, hopByHop: 0x1234, endToEnd: 0x5678 }, exampleAvps(rules, dictionary));
}
