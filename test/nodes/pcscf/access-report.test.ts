import { describe, expect, it } from 'vitest';
import { parseChargingVector } from '#ims/charging';
import { AccessReport } from '#nodes/pcscf/access-report';
import { networkProvidedAccess } from '#nodes/pcscf/network-location';
import { parseAccessNetworkInfo } from '#sip/header/access-network-info';
import { createRequest } from '#sip/message/create';
import { Header } from '#sip/message/header-names';

const octets = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');

describe('what the access network tells, in SIP', () => {
  it.each([
    ['CGI', '00 62f210 0102 0304', '3GPP-GERAN;cgi-3gpp=2620101020304;network-provided'],
    ['SAI', '01 62f210 0102 0304', '3GPP-UTRAN;utran-sai-3gpp=2620101020304;network-provided'],
    [
      'TAI and ECGI',
      '82 62f210 0102 62f210 f0304105',
      '3GPP-E-UTRAN;utran-cell-id-3gpp=2620101020304105;network-provided',
    ],
    [
      'an MNC of three digits',
      '82 130062 0102 130062 00304105',
      '3GPP-E-UTRAN;utran-cell-id-3gpp=3102600102 0304105;network-provided',
    ],
    [
      'TAI and NCGI',
      '89 62f210 010203 62f210 f123456789',
      '3GPP-NR;utran-cell-id-3gpp=26201010203123456789;network-provided',
    ],
  ])('P-77 P-127 %s is named as a cell', (_, location, value) => {
    const expected = value.replace(' ', '');
    expect(networkProvidedAccess({ userLocation: octets(location) }, undefined)).toBe(expected);
    expect(parseAccessNetworkInfo(expected)).toMatchObject([{ networkProvided: true }]);
  });

  it.each([
    ['nothing', ''],
    ['a kind without a cell', '80 62f210 0102'],
    ['a cell cut short', '82 62f210 0102 62f210 003041'],
    ['a kind that nobody knows', 'ff 62f210 0102'],
  ])('P-77 %s gives no value', (_, location) => {
    expect(networkProvidedAccess({ userLocation: octets(location) }, 1004)).toBe('');
  });

  it('P-77 a time zone stands beside the cell, or alone with the kind of access', () => {
    const zone = ';local-time-zone="UTC+02:00";daylight-saving-time="01"';
    expect(networkProvidedAccess({ timeZone: octets('80 01') }, 1004)).toBe(`3GPP-E-UTRAN${zone};network-provided`);
    expect(networkProvidedAccess({ timeZone: octets('8a 00') }, 1006)).toContain('UTC-07:00');
    expect(networkProvidedAccess({ timeZone: octets('80') }, 1004)).toBe('');
    expect(networkProvidedAccess({ timeZone: octets('80 01') }, undefined)).toBe('');
  });

  it('P-75 charging identifiers of several bearers, of GPRS and of EPS', () => {
    const report = new AccessReport();
    const vector = (value: string | null) => {
      const message = createRequest('BYE', 'sip:a@b', value === null ? [] : [[Header['P-Charging-Vector'], value]]);
      report.addTo(message);
      return message.headers.get(Header['P-Charging-Vector']);
    };
    expect(vector('icid-value=1')).toBe('icid-value=1');
    const all = { value: octets('0a'), flows: [] };
    const one = { value: octets('0b'), flows: [{ componentNumber: 2, flowNumbers: [] }] };
    report.take({ accessCharging: [all, one], accessChargingAddress: '2001:db8::1' });
    const eps =
      ';pdngw=[2001:db8::1];eps-info="eps-item=1;eps-sig=no;ecid=0a,eps-item=2;eps-sig=no;ecid=0b;flow-id=({2,0})"';
    expect(vector('icid-value=1')).toBe(`icid-value=1${eps}`);
    expect(parseChargingVector(`icid-value=1${eps}`)).toMatchObject({
      icid: '1',
      others: [{ name: 'pdngw' }, { name: 'eps-info' }],
    });
    report.take({ accessCharging: [all], accessNetwork: { ipCanType: 0, ratType: 1000 } });
    expect(vector('icid-value=1')).toContain(';ggsn=[2001:db8::1];pdp-info="pdp-item=1;pdp-sig=no;gcid=0a"');
    expect(report.kinds).toEqual({ ipCanType: 0, ratType: 1000 });
    expect(vector(null)).toBeNull();
  });
});
