import { describe, expect, it } from 'vitest';
import { AvpList, codeBit } from '#diameter/codec/avp-list';
import { encodedAvps } from '#diameter/codec/avp-types';
import { decodeMessage } from '#diameter/codec/decode';
import { encodeMessage } from '#diameter/codec/encode';
import { baseAvps, baseCommands } from '#diameter/dictionary/base';
import { cxCommands, cxDictionary } from '#diameter/dictionary/cx';
import { type AvpDefinition, type AvpType, createDictionary } from '#diameter/dictionary/dictionary';
import { DecodeFailure } from '#diameter/errors';
import { exampleAnswer, exampleRequest } from './example-messages.ts';

/** Code, name, type and flags of each AVP as the standards have them. */
const ietf = `
263 Session-Id UTF8String M
264 Origin-Host DiameterIdentity M
296 Origin-Realm DiameterIdentity M
293 Destination-Host DiameterIdentity M
283 Destination-Realm DiameterIdentity M
1 User-Name UTF8String M
260 Vendor-Specific-Application-Id Grouped M
266 Vendor-Id Unsigned32 M
258 Auth-Application-Id Unsigned32 M
259 Acct-Application-Id Unsigned32 M
277 Auth-Session-State Enumerated M
268 Result-Code Unsigned32 M
297 Experimental-Result Grouped M
298 Experimental-Result-Code Unsigned32 M
279 Failed-AVP Grouped M
281 Error-Message UTF8String -
294 Error-Reporting-Host DiameterIdentity -
284 Proxy-Info Grouped M
280 Proxy-Host DiameterIdentity M
33 Proxy-State OctetString M
282 Route-Record DiameterIdentity M
278 Origin-State-Id Unsigned32 M
257 Host-IP-Address Address M
269 Product-Name UTF8String -
267 Firmware-Revision Unsigned32 -
265 Supported-Vendor-Id Unsigned32 M
299 Inband-Security-Id Unsigned32 M
273 Disconnect-Cause Enumerated M
292 Redirect-Host DiameterURI M
261 Redirect-Host-Usage Enumerated M
262 Redirect-Max-Cache-Time Unsigned32 M
295 Termination-Cause Enumerated M
291 Authorization-Lifetime Unsigned32 M
276 Auth-Grace-Period Unsigned32 M
27 Session-Timeout Unsigned32 M
25 Class OctetString M
8 Framed-IP-Address OctetString M
97 Framed-IPv6-Prefix OctetString M
96 Framed-Interface-Id Unsigned64 M
30 Called-Station-Id UTF8String M
443 Subscription-Id Grouped M
450 Subscription-Id-Type Enumerated M
444 Subscription-Id-Data UTF8String M
285 Re-Auth-Request-Type Enumerated M
301 DRMP Enumerated -
621 OC-Supported-Features Grouped -
623 OC-OLR Grouped -
650 Load Grouped -
104 Digest-Realm UTF8String M
111 Digest-Algorithm UTF8String M
110 Digest-QoP UTF8String M
121 Digest-HA1 UTF8String M`;
const tgpp = `
600 Visited-Network-Identifier OctetString MV
601 Public-Identity UTF8String MV
602 Server-Name UTF8String MV
603 Server-Capabilities Grouped MV
604 Mandatory-Capability Unsigned32 MV
605 Optional-Capability Unsigned32 MV
606 User-Data OctetString MV
607 SIP-Number-Auth-Items Unsigned32 MV
608 SIP-Authentication-Scheme UTF8String MV
609 SIP-Authenticate OctetString MV
610 SIP-Authorization OctetString MV
611 SIP-Authentication-Context OctetString MV
612 SIP-Auth-Data-Item Grouped MV
613 SIP-Item-Number Unsigned32 MV
614 Server-Assignment-Type Enumerated MV
615 Deregistration-Reason Grouped MV
616 Reason-Code Enumerated MV
617 Reason-Info UTF8String MV
618 Charging-Information Grouped MV
619 Primary-Event-Charging-Function-Name DiameterURI MV
620 Secondary-Event-Charging-Function-Name DiameterURI MV
621 Primary-Charging-Collection-Function-Name DiameterURI MV
622 Secondary-Charging-Collection-Function-Name DiameterURI MV
623 User-Authorization-Type Enumerated MV
624 User-Data-Already-Available Enumerated MV
625 Confidentiality-Key OctetString MV
626 Integrity-Key OctetString MV
628 Supported-Features Grouped V
629 Feature-List-ID Unsigned32 V
630 Feature-List Unsigned32 V
631 Supported-Applications Grouped V
632 Associated-Identities Grouped V
633 Originating-Request Enumerated MV
634 Wildcarded-Public-Identity UTF8String V
635 SIP-Digest-Authenticate Grouped V
636 Wildcarded-IMPU UTF8String V
637 UAR-Flags Unsigned32 V
638 Loose-Route-Indication Enumerated V
639 SCSCF-Restoration-Info Grouped V
640 Path OctetString V
641 Contact OctetString V
642 Subscription-Info Grouped V
643 Call-ID-SIP-Header OctetString V
644 From-SIP-Header OctetString V
645 To-SIP-Header OctetString V
646 Record-Route OctetString V
647 Associated-Registered-Identities Grouped V
648 Multiple-Registration-Indication Enumerated V
649 Restoration-Info Grouped V
650 Session-Priority Enumerated V
651 Identity-with-Emergency-Registration Grouped V
652 Priviledged-Sender-Indication Enumerated V
653 LIA-Flags Unsigned32 V
654 Initial-CSeq-Sequence-Number Unsigned32 V
655 SAR-Flags Unsigned32 V
656 Allowed-WAF-WWSF-Identities Grouped V
657 WebRTC-Authentication-Function-Name UTF8String V
658 WebRTC-Web-Server-Function-Name UTF8String V
659 RTR-Flags Unsigned32 V`;

const rowsOf = (table: string) => table.trim().split('\n');
const rowOf = (definition: AvpDefinition | undefined) => {
  if (definition === undefined) return 'none';
  const { code, mandatory, name, type, vendor } = definition;
  return `${code} ${name} ${type} ${`${mandatory ? 'M' : ''}${vendor === 0 ? '' : 'V'}` || '-'}`;
};

function definition<T extends AvpType>(type: T): AvpDefinition<T> {
  return { name: type, code: 9000, vendor: 0, type, mandatory: false };
}

describe('the dictionary', () => {
  it('D-17 E.2 E.3 D-19 has each AVP with its code, type and flags, and no other of 3GPP', () => {
    for (const row of rowsOf(ietf)) expect(rowOf(cxDictionary.find(Number.parseInt(row, 10), 0))).toBe(row);
    for (const row of rowsOf(tgpp)) expect(rowOf(cxDictionary.find(Number.parseInt(row, 10), 10415))).toBe(row);
    const known = Array.from({ length: 4096 }, (_, code) => cxDictionary.find(code, 10415)).filter(Boolean);
    expect(known).toHaveLength(rowsOf(tgpp).length);
    expect(rowOf(cxDictionary.find(500, 13019))).toBe('500 Line-Identifier OctetString V');
    expect(cxDictionary.find(601, 0)).toBeUndefined();
  });

  it('E.2 E.3 names the members of every group that may be read', () => {
    const nameless = ['Failed-AVP', 'OC-Supported-Features', 'OC-OLR', 'Load'];
    for (const row of [...rowsOf(ietf), ...rowsOf(tgpp)]) {
      const [code, name, type, flags] = row.split(' ') as [string, string, string, string];
      if (type !== 'Grouped' || nameless.includes(name)) continue;
      const group = cxDictionary.group(cxDictionary.find(Number(code), flags.includes('V') ? 10415 : 0)!);
      const members = [...(group?.required ?? []), ...(group?.optional ?? [])];
      expect(members.length, name).toBeGreaterThan(0);
      for (const member of members) expect(cxDictionary.find(member.code, member.vendor)).toBe(member);
      for (const member of group?.repeated ?? []) expect(members).toContain(member);
    }
  });

  it('D-18 E.3 takes every request and answer with all that its row names, and gives each value back', () => {
    for (const command of [...Object.values(cxCommands), ...Object.values(baseCommands)]) {
      for (const octets of [exampleRequest(command, cxDictionary), exampleAnswer(command, cxDictionary)]) {
        const message = decodeMessage(octets, cxDictionary);
        if (message instanceof DecodeFailure) throw new Error(`${command.name}: ${message.reason}`);
        expect(message.avps.text(baseAvps.originHost)).toBe('host.ims.test');
        expect(message.hasUnknownMandatory).toBe(false);
      }
    }
  });
});

describe('typed getters', () => {
  it('X-D2 give undefined for data of another length, never NaN', () => {
    // A dictionary that does not know the AVP lets any length through.
    for (const length of [0, 1, 2, 3, 5, 7, 9, 30]) {
      const avp = Buffer.alloc((8 + length + 3) & ~3, 0xff);
      avp.writeUInt32BE(9000, 0);
      avp.writeUInt32BE(8 + length, 4);
      const octets = encodeMessage({ flags: 0, command: 1, application: 0, hopByHop: 0, endToEnd: 0 }, [
        encodedAvps(avp),
      ]);
      const message = decodeMessage(octets, createDictionary());
      if (message instanceof DecodeFailure) throw new Error(message.reason);
      const { avps } = message;
      expect(avps.unsigned32(definition('Unsigned32'))).toBeUndefined();
      expect(avps.unsigned32s(definition('Unsigned32'))).toEqual([]);
      expect(avps.integer32(definition('Enumerated'))).toBeUndefined();
      expect(avps.integer32s(definition('Integer32'))).toEqual([]);
      expect(avps.unsigned64(definition('Unsigned64'))).toBeUndefined();
      expect(avps.integer64(definition('Integer64'))).toBeUndefined();
      expect(avps.float(definition('Float32'))).toBeUndefined();
      expect(avps.float(definition('Float64'))).toBeUndefined();
      expect(avps.time(definition('Time'))).toBeUndefined();
      expect(avps.address(definition('Address'))).toBeUndefined();
      expect(avps.addresses(definition('Address'))).toEqual([]);
      // What the decoder did not take for a group has no members.
      expect(avps.grouped(definition('Grouped'))?.has(definition('Unsigned32'))).toBe(false);
      expect(avps.octets(definition('OctetString'))).toHaveLength(length);
    }
    const nan = new AvpList(Buffer.from('000023280000000cffffffff', 'hex'), [9000, 0, 0, 5, 0], 0, 5, codeBit(9000));
    expect(nan.float(definition('Float32'))).toBeUndefined();
    expect(nan.unsigned32(definition('Unsigned32'))).toBe(0xffff_ffff);
  });
});
