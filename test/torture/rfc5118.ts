import { forwarded, refused, type TortureCase, wire } from './torture-case.ts';

/** Messages of RFC 5118: IPv6 addresses, in brackets and out of them. */
export const rfc5118: readonly TortureCase[] = [
  {
    name: 'an address in brackets',
    section: 'RFC 5118 4.1',
    about: 'in Request-URI, Via and Contact',
    message: request('v6-1', 'sip:[2001:db8:7::10]', {
      via: 'SIP/2.0/UDP [2001:db8:7::9:1];branch=z9hG4bKv61',
      contact: '"Ada" <sip:ada@[2001:db8:7::1]>',
    }),
    ...forwarded(),
  },
  {
    name: 'an address without brackets',
    section: 'RFC 5118 4.2',
    about: 'nobody can tell address from port',
    message: request('v6-2', 'sip:2001:db8:7::10', { via: 'SIP/2.0/UDP [2001:db8:7::9:1];branch=z9hG4bKv62' }),
    ...refused('400', 'Request-URI is malformed'),
  },
  {
    name: 'a port inside the brackets',
    section: 'RFC 5118 4.3',
    about: 'it is the last group of the address: legal, if not meant so',
    message: request('v6-3', 'sip:[2001:db8:7::10:5070]', { via: 'SIP/2.0/UDP [2001:db8:7::9:1];branch=z9hG4bKv63' }),
    ...forwarded(),
  },
  {
    name: 'a port behind the brackets',
    section: 'RFC 5118 4.4',
    about: 'in Request-URI and Via',
    message: request('v6-4', 'sip:[2001:db8:7::10]:5070', {
      via: 'SIP/2.0/UDP [2001:db8:7::9:1]:5064;branch=z9hG4bKv64',
    }),
    ...forwarded(),
  },
  {
    name: 'received in brackets',
    section: 'RFC 5118 4.5',
    about: 'not as the grammar of RFC 3261 says, and taken all the same',
    message: request('v6-5', 'sip:oskar@workshop.test', {
      via: 'SIP/2.0/UDP [2001:db8:7::9:1];received=[2001:db8:7::9:255];branch=z9hG4bKv65',
    }),
    ...forwarded(),
  },
  {
    name: 'received without brackets',
    section: 'RFC 5118 4.5',
    about: 'as the grammar of RFC 3261 says',
    message: request('v6-6', 'sip:oskar@workshop.test', {
      via: 'SIP/2.0/UDP [2001:db8:7::9:1];received=2001:db8:7::9:255;branch=z9hG4bKv66',
    }),
    ...forwarded(),
  },
  {
    name: 'IPv6 in SDP',
    section: 'RFC 5118 4.6',
    about: 'addresses in a session description have no brackets',
    message: invite('v6-7', [
      'o=ada 31 7 IN IP6 2001:db8:7::20',
      'c=IN IP6 2001:db8:7::20',
      'm=audio 40104 RTP/AVP 96',
    ]),
    ...forwarded(),
  },
  {
    name: 'both families in Via and Contact',
    section: 'RFC 5118 4.7',
    about: 'a request that has crossed from one network to the other',
    message: request('v6-8', 'sip:oskar@workshop.test', {
      via: 'SIP/2.0/UDP 198.51.100.1:5065;branch=z9hG4bKv68a\r\nVia: SIP/2.0/UDP [2001:db8:7::9:1];received=[2001:db8:7::9:255];branch=z9hG4bKv68',
      contact: '<sip:ada@[2001:db8:7::1]>, <sip:ada@198.51.100.1>',
    }),
    ...forwarded(),
  },
  {
    name: 'both families in SDP',
    section: 'RFC 5118 4.8',
    about: 'one media description for each',
    message: invite('v6-9', [
      'o=ada 32 7 IN IP6 2001:db8:7::20',
      'm=audio 40100 RTP/AVP 96',
      'c=IN IP4 198.51.100.20',
      'm=video 40102 RTP/AVP 97',
      'c=IN IP6 2001:db8:7::20',
    ]),
    ...forwarded(),
  },
  {
    name: 'an IPv4 address mapped into IPv6',
    section: 'RFC 5118 4.9',
    about: 'in Via, Contact and SDP',
    message: invite(
      'v6-10',
      ['o=ada 33 7 IN IP6 ::ffff:198.51.100.10', 'c=IN IP6 ::ffff:198.51.100.10', 'm=audio 40104 RTP/AVP 96'],
      '[::ffff:198.51.100.10]:5066',
    ),
    ...forwarded(),
  },
  {
    name: 'three colons before an embedded IPv4 address',
    section: 'RFC 5118 4.10',
    about: 'wrong, but the grammar of RFC 3261 demanded it: taken',
    message: request('v6-11', 'sip:oskar@[2001:db8:::198.51.100.1]', {
      via: 'SIP/2.0/UDP [2001:db8:7::9:1];branch=z9hG4bKv611',
    }),
    ...forwarded(),
  },
];

function request(callId: string, uri: string, own: { readonly via: string; readonly contact?: string }): string {
  return wire([
    `OPTIONS ${uri} SIP/2.0`,
    'To: sip:oskar@workshop.test',
    'From: sip:ada@parlour.test;tag=v6',
    `Via: ${own.via}`,
    'Max-Forwards: 70',
    `Contact: ${own.contact ?? '<sip:ada@[2001:db8:7::1]>'}`,
    `Call-ID: ${callId}@parlour.test`,
    'CSeq: 8 OPTIONS',
    'l: 0',
  ]);
}

function invite(callId: string, media: readonly string[], host = '[2001:db8:7::20]'): string {
  return wire(
    [
      'INVITE sip:oskar@[2001:db8:7::10] SIP/2.0',
      'To: sip:oskar@[2001:db8:7::10]',
      'From: sip:ada@parlour.test;tag=v6',
      `Via: SIP/2.0/UDP ${host};branch=z9hG4bK${callId}`,
      'Max-Forwards: 70',
      `Contact: "Ada" <sip:ada@${host}>`,
      `Call-ID: ${callId}@parlour.test`,
      'CSeq: 12 INVITE',
      'Content-Type: application/sdp',
      'Content-Length: LENGTH',
    ],
    `${['v=0', media[0]!, 's=-', 't=0 0', ...media.slice(1)].join('\r\n')}\r\n`,
  );
}
