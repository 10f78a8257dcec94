import { describe, expect, it } from 'vitest';
import { checkRequest, requestRules } from '#diameter/check-request';
import { type Avp, avp, encodedAvps } from '#diameter/codec/avp-types';
import { decodeMessage } from '#diameter/codec/decode';
import { encodeAvps, encodeMessage } from '#diameter/codec/encode';
import { baseAvps, baseCommands, baseDictionary } from '#diameter/dictionary/base';
import { cxAvps, cxCommands, cxDictionary } from '#diameter/dictionary/cx';
import type { AvpDefinition, CommandDefinition, Dictionary } from '#diameter/dictionary/dictionary';
import { rxAvps, rxCommands, rxDictionary } from '#diameter/dictionary/rx';
import { DecodeFailure } from '#diameter/errors';
import { exampleRequest } from './example-messages.ts';

const header = { flags: 0xc0, command: 304, application: 16777216, hopByHop: 1, endToEnd: 2 };
const rtr = [
  avp(baseAvps.sessionId, 'hss.ims.test;1;2'),
  avp(baseAvps.vendorSpecificApplicationId, []),
  avp(baseAvps.authSessionState, 1),
  avp(baseAvps.originHost, 'hss.ims.test'),
  avp(baseAvps.originRealm, 'ims.test'),
  avp(baseAvps.destinationRealm, 'ims.test'),
  avp(baseAvps.destinationHost, 'host.ims.test'),
  avp(baseAvps.userName, 'a@ims.test'),
  avp(cxAvps.deregistrationReason, [avp(cxAvps.reasonCode, 0)]),
];

function check(
  octets: Buffer,
  command: CommandDefinition = cxCommands.registrationTermination,
  dictionary: Dictionary = cxDictionary,
  ignored: readonly string[] = [],
) {
  const request = decodeMessage(octets, dictionary);
  if (request instanceof DecodeFailure) return request;
  return checkRequest(request, requestRules(command, dictionary, new Set(ignored)));
}

/** The RTR with one of its AVPs replaced, or with more behind. */
function changed(replaced: AvpDefinition | undefined, ...by: readonly Avp[]): Buffer {
  const avps = rtr.flatMap((part) => (part.definition === replaced ? by : [part]));
  return encodeMessage(header, replaced === undefined ? [...avps, ...by] : avps);
}

describe('requests against the tables', () => {
  it('D-14 D-17 with everything that their row names are taken, of every command', () => {
    const tables = [
      [Object.values<CommandDefinition>(cxCommands), cxDictionary],
      [Object.values<CommandDefinition>(rxCommands), rxDictionary],
      [Object.values<CommandDefinition>(baseCommands), baseDictionary],
    ] as const;
    let commands = 0;
    for (const [rows, dictionary] of tables) {
      for (const command of rows) {
        expect(check(exampleRequest(command, dictionary), command, dictionary), command.name).toBeUndefined();
        commands++;
      }
    }
    expect(commands).toBe(13);
  });

  it('D-14 X-D3 get 5009 with the second of an AVP that comes once: 64 Origin-Hosts, two User-Names', () => {
    const hosts = Array.from({ length: 64 }, (_, n) => avp(baseAvps.originHost, `h${n}.ims.test`));
    const refused = check(changed(baseAvps.originHost, ...hosts));
    expect(refused).toMatchObject({ resultCode: 5009 });
    expect(refused?.failedAvp).toEqual(encodeAvps([hosts[1]!]));
    expect(check(changed(undefined, avp(baseAvps.userName, 'b')))).toMatchObject({ resultCode: 5009 });
    expect(check(changed(undefined, avp(cxAvps.rtrFlags, 1), avp(cxAvps.rtrFlags, 1)))).toMatchObject({
      resultCode: 5009,
    });
  });

  it('D-14 X-D3 get a long group back without its members, and a long text without its end', () => {
    const long = avp(cxAvps.deregistrationReason, [
      avp(cxAvps.reasonCode, 0),
      avp(cxAvps.reasonInfo, 'x'.repeat(5000)),
    ]);
    const names = [avp(baseAvps.userName, 'a@ims.test'), avp(baseAvps.userName, 'x'.repeat(5000))];
    for (const [octets, length] of [
      [changed(undefined, long), 12],
      [changed(baseAvps.userName, ...names), 1024],
    ] as const) {
      const refused = check(octets);
      expect(refused).toMatchObject({ resultCode: 5009 });
      expect(refused?.failedAvp).toHaveLength(length);
      const failed = avp(baseAvps.failedAvp, [encodedAvps(refused!.failedAvp!)]);
      expect(decodeMessage(encodeMessage(header, [failed]), cxDictionary)).not.toBeInstanceOf(DecodeFailure);
    }
  });

  it('D-14 D-60 are held against rows and groups of Rx too: Abort-Cause twice, half a Subscription-Id', () => {
    const cause = avp(rxAvps.abortCause, 0);
    const asr = exampleRequest(rxCommands.abortSession, rxDictionary);
    const twice = encodeMessage({ ...header, command: 274 }, [encodedAvps(asr.subarray(20)), cause]);
    expect(check(twice, rxCommands.abortSession, rxDictionary)).toMatchObject({ resultCode: 5009 });
    const half = avp(baseAvps.subscriptionId, [avp(baseAvps.subscriptionIdData, 'x')]);
    const rar = exampleRequest(rxCommands.reAuth, rxDictionary);
    const more = encodeMessage({ ...header, command: 258 }, [encodedAvps(rar.subarray(20)), half]);
    expect(check(more, rxCommands.reAuth, rxDictionary)).toMatchObject({ resultCode: 5005 });
  });

  it('D-14 may repeat what the row repeats, and what it does not name', () => {
    const impus = Array.from({ length: 20 }, () => avp(cxAvps.publicIdentity, 'sip:a@ims.test'));
    const routes = [avp(baseAvps.routeRecord, 'a.test'), avp(baseAvps.routeRecord, 'b.test')];
    const others = [avp(baseAvps.classAvp, 'x'), avp(baseAvps.classAvp, 'y')];
    expect(check(changed(undefined, ...impus, ...routes, ...others))).toBeUndefined();
  });

  it('D-14 get 5005 with an example of least length, also of a member of a group', () => {
    const gone = [
      [baseAvps.sessionId, '0000010740000008'],
      [baseAvps.originHost, '0000010840000008'],
      [baseAvps.authSessionState, '000001154000000c00000000'],
      [cxAvps.deregistrationReason, '00000267c000000c000028af'],
    ] as const;
    for (const [definition, example] of gone) {
      const refused = check(changed(definition));
      expect(refused).toMatchObject({ resultCode: 5005, words: `${definition.name} is missing` });
      expect(refused?.failedAvp?.toString('hex')).toBe(example);
    }
    const refused = check(changed(cxAvps.deregistrationReason, avp(cxAvps.deregistrationReason, [])));
    expect(refused).toMatchObject({ resultCode: 5005, words: 'Reason-Code is missing in Deregistration-Reason' });
    expect(refused?.failedAvp?.toString('hex')).toBe('00000267c000001c000028af' + '00000268c0000010000028af00000000');
  });

  it('D-14 X-D3 get 5004 for NUL and controls in Session-Id and DiameterIdentity, and for empty ones', () => {
    for (const bad of ['', 'a\0b', 'a;1;\n', '\x7f']) {
      const sent = avp(baseAvps.sessionId, bad);
      const refused = check(changed(baseAvps.sessionId, sent));
      expect(refused).toMatchObject({ resultCode: 5004 });
      expect(refused?.failedAvp).toEqual(encodeAvps([sent]));
    }
    for (const bad of ['', 'hss\0.ims.test', 'hss ims', 'h\u00e9.test', 'a\r\nb']) {
      for (const definition of [baseAvps.originHost, baseAvps.originRealm, baseAvps.destinationRealm]) {
        expect(check(changed(definition, avp(definition, bad)))).toMatchObject({ resultCode: 5004 });
      }
    }
    expect(check(changed(baseAvps.sessionId, avp(baseAvps.sessionId, 'h;1;2;M\u00fcnchen 1')))).toBeUndefined();
  });

  it('D-14 get 5004 for a number that an enumeration lacks, not where it is not mandatory', () => {
    expect(check(changed(baseAvps.authSessionState, avp(baseAvps.authSessionState, 2)))).toMatchObject({
      resultCode: 5004,
      words: 'Auth-Session-State has the unknown value 2',
    });
    const reason = avp(cxAvps.deregistrationReason, [avp(cxAvps.reasonCode, -1)]);
    expect(check(changed(cxAvps.deregistrationReason, reason))).toMatchObject({
      resultCode: 5004,
      words: 'Reason-Code has the unknown value -1 in Deregistration-Reason',
      failedAvp: encodeAvps([reason]),
    });
    expect(check(changed(undefined, avp(cxAvps.sessionPriority, 99)))).toBeUndefined();
  });

  it('D-14 get 3009 for AVP flags that mean nothing, and a Vendor-Id of 0', () => {
    for (const hex of ['000000014100000c61626364', '0000010bc00000100000000000000001']) {
      const odd = Buffer.from(hex, 'hex');
      const refused = check(changed(baseAvps.userName, encodedAvps(odd)));
      expect(refused).toMatchObject({ resultCode: 3009 });
      expect(refused?.failedAvp).toEqual(odd);
    }
    // P is of RFC 3588, and M is not always set as the tables say.
    for (const hex of ['000000016000000c61626364', '000000010000000c61626364']) {
      expect(check(changed(baseAvps.userName, encodedAvps(Buffer.from(hex, 'hex'))))).toBeUndefined();
    }
  });

  it('D-14 X-D5 get 5001 with an unknown AVP that has M, but for listed ones and inside groups', () => {
    const odd = { name: 'Odd', code: 4711, vendor: 4242, type: 'OctetString', mandatory: true } as const;
    const octets = changed(undefined, avp(odd, 'abc'));
    expect(check(octets)).toMatchObject({ resultCode: 5001, failedAvp: encodeAvps([avp(odd, 'abc')]) });
    expect(check(octets, cxCommands.registrationTermination, cxDictionary, ['4242:4711'])).toBeUndefined();
    const inside = avp(cxAvps.deregistrationReason, [avp(cxAvps.reasonCode, 0), avp(odd, 'abc')]);
    expect(check(changed(cxAvps.deregistrationReason, inside))).toBeUndefined();
  });

  it('D-14 show at most a kibibyte of an AVP that is to blame', () => {
    const long = avp(cxAvps.rtrFlags, 1);
    const odd = { name: 'Odd', code: 4711, vendor: 0, type: 'OctetString', mandatory: true } as const;
    const shown = check(changed(undefined, long, avp(odd, Buffer.alloc(100_000, 1))))?.failedAvp;
    expect(shown).toHaveLength(1024);
    expect(shown?.readUIntBE(5, 3)).toBe(1024);
  });

  it('D-19 may carry DRMP, OC-Supported-Features, OC-OLR and Load, which share codes with AVPs of 3GPP', () => {
    const load = avp(baseAvps.load, [encodedAvps(Buffer.from('0000028b00000010000000000000ffff', 'hex'))]);
    const sent = [
      avp(baseAvps.drmp, 12),
      avp(baseAvps.ocSupportedFeatures, [encodedAvps(Buffer.from('0000026e000000100000000000000001', 'hex'))]),
      avp(baseAvps.ocOlr, []),
      load,
      load,
      avp(cxAvps.sessionPriority, 3),
    ];
    expect(check(changed(undefined, ...sent))).toBeUndefined();
    const request = decodeMessage(changed(undefined, ...sent), cxDictionary);
    if (request instanceof DecodeFailure) throw new Error(request.reason);
    expect(request.hasUnknownMandatory).toBe(false);
    expect(request.avps.integer32(cxAvps.sessionPriority)).toBe(3);
    expect(request.avps.has(cxAvps.primaryChargingCollectionFunctionName)).toBe(false);
    expect(request.avps.has(cxAvps.userAuthorizationType)).toBe(false);
  });

  it('X-D2 get 5014 for a bad Address, and a Framed-IP-Address that is none', () => {
    const addresses = ['0000010140000012' + '0001010203040506' + '78780000', '000001014000000c00020102'];
    for (const hex of [...addresses, '000000084000000b0a2e0000', '0000006140000009ff000000']) {
      const failure = check(changed(undefined, encodedAvps(Buffer.from(hex, 'hex'))));
      expect(failure).toMatchObject({ resultCode: 5014 });
    }
    const e164 = Buffer.from('000001014000000e0008313535350000', 'hex');
    expect(check(changed(undefined, encodedAvps(e164)))).toBeUndefined();
  });
});
