import { forwarded, refused, sdp, silent, type TortureCase, utf8, wire } from './torture-case.ts';

/** An INVITE with some lines replaced, each found by its beginning; null leaves a line out. */
function invite(number: number, replaced: Readonly<Record<string, string | null>> = {}, body = sdp): string {
  const lines = [
    'INVITE sip:oskar@workshop.test SIP/2.0',
    'To: sip:oskar@workshop.test',
    `From: sip:ada@parlour.test;tag=i${number}`,
    'Max-Forwards: 70',
    `Call-ID: invalid-${number}@parlour.test`,
    `CSeq: ${number} INVITE`,
    `Via: SIP/2.0/UDP 198.51.100.15;branch=z9hG4bKinvalid${number}`,
    'Contact: <sip:ada@bench.parlour.test>',
    'Content-Type: application/sdp',
    'Content-Length: LENGTH',
  ];
  const starts = Object.keys(replaced);
  const kept = lines.flatMap((line) => {
    const start = starts.find((each) => line.startsWith(each));
    if (start === undefined) return [line];
    const other = replaced[start];
    return other === null || other === undefined ? [] : [other];
  });
  return wire(kept, body);
}

/** RFC 4475 3.1.2: wrong. */
export const rfc4475Invalid: readonly TortureCase[] = [
  {
    name: 'separators without anything between',
    section: 'RFC 4475 3.1.2.1',
    about: 'semicolons and commas in a row in Via and Contact; the host of the Via can be read, so there is an answer',
    message: invite(1, {
      Via: 'Via: SIP/2.0/UDP 198.51.100.15;;,;;,,',
      Contact: 'Contact: "Ada" <sip:ada@bench.parlour.test>;;;;',
    }),
    ...refused('400', 'Via is malformed'),
  },
  {
    name: 'a length beyond the datagram',
    section: 'RFC 4475 3.1.2.2',
    about: 'Content-Length says more than there is',
    message: invite(2, { 'Content-Length': 'Content-Length: 9999' }),
    ...refused('400', 'Content-Length is larger than the message'),
  },
  {
    name: 'a length below zero',
    section: 'RFC 4475 3.1.2.3',
    about: 'Content-Length has a sign',
    message: invite(3, { 'Content-Length': 'Content-Length: -999' }),
    ...refused('400', 'Content-Length is not a number'),
  },
  {
    name: 'numbers too large in a request',
    section: 'RFC 4475 3.1.2.4',
    about: 'CSeq, Max-Forwards, Expires and a contact ask for more than their fields hold',
    message: wire([
      'REGISTER sip:ims.test SIP/2.0',
      'Via: SIP/2.0/TCP bench.parlour.test;branch=z9hG4bKlarge1',
      'To: <sip:nobody-2@ims.test>',
      'From: <sip:nobody-2@ims.test>;tag=239232jh3',
      'CSeq: 36893488147419103299 REGISTER',
      'Call-ID: large-1@parlour.test',
      'Max-Forwards: 300',
      'Expires: 10000000000000000000000000',
      'Contact: <sip:nobody-2@bench.parlour.test>;expires=280297596632815',
      'Content-Length: 0',
    ]),
    ...refused('400', 'CSeq is missing or malformed'),
  },
  {
    name: 'numbers too large in a response',
    section: 'RFC 4475 3.1.2.5',
    about: 'CSeq, Retry-After and Warning hold more than they may: nobody takes such a response',
    message: wire([
      'SIP/2.0 503 Not Now',
      'Via: SIP/2.0/TCP bench.parlour.test;branch=z9hG4bKlarge2;received=198.51.100.129',
      'To: <sip:oskar@workshop.test>;tag=l1',
      'From: <sip:ada@parlour.test>;tag=l2',
      'Call-ID: large-2@parlour.test',
      'CSeq: 9292394834772304023399 OPTIONS',
      'Retry-After: 949302838503028349304023999',
      'Warning: 1812 parlour "At work"',
      'Content-Length: 0',
    ]),
    parser: 'dropped',
    proxy: 'dropped',
    daemons: silent,
    reason: 'without a usable Via, To, Call-ID or CSeq',
  },
  {
    name: 'a quote that never closes',
    section: 'RFC 4475 3.1.2.6',
    about: 'the display name of To runs on to the end of the line',
    message: invite(6, { To: 'To: "Oskar, at last <sip:oskar@workshop.test>' }),
    ...refused('400', 'To is malformed: unclosed quote'),
  },
  {
    name: 'a Request-URI in angle brackets',
    section: 'RFC 4475 3.1.2.7',
    about: '< and > belong to header fields',
    message: invite(7, { INVITE: 'INVITE <sip:oskar@workshop.test> SIP/2.0' }),
    ...refused('400', 'angle bracket in the Request-URI'),
  },
  {
    name: 'a blank inside the Request-URI',
    section: 'RFC 4475 3.1.2.8',
    about: 'a parameter of the Request-URI stands behind a blank',
    message: invite(8, { INVITE: 'INVITE sip:oskar@workshop.test; lr SIP/2.0' }),
    ...refused('400', 'blank, quote or angle bracket in the Request-URI'),
  },
  {
    name: 'two blanks in the start line',
    section: 'RFC 4475 3.1.2.9',
    about: 'the parts of the start line stand apart by one blank; two are refused',
    message: invite(9, { INVITE: 'INVITE  sip:oskar@workshop.test  SIP/2.0' }),
    ...refused('400', 'blank, quote or angle bracket in the Request-URI'),
  },
  {
    name: 'blanks at the end of the start line',
    section: 'RFC 4475 3.1.2.10',
    about: 'nothing may stand after the version',
    message: invite(10, { INVITE: 'INVITE sip:oskar@workshop.test SIP/2.0  ' }),
    ...refused('400', 'blank at the end of the start line'),
  },
  {
    name: 'header fields in the Request-URI',
    section: 'RFC 4475 3.1.2.11',
    about: 'the part after ? is never made into header fields; the proxy lets it pass, the P-CSCF cuts it off',
    message: invite(11, { INVITE: 'INVITE sip:oskar@workshop.test?Route=%3Csip:cellar.test%3E SIP/2.0' }),
    ...forwarded(),
  },
  {
    name: 'a date of another time zone',
    section: 'RFC 4475 3.1.2.12',
    about: 'Date is not in GMT; nothing here depends on it, so it passes',
    message: invite(12, { 'Content-Type': 'Date: Sun, 22 Nov 2026 16:00:00 CET\r\nContent-Type: application/sdp' }),
    ...forwarded(),
  },
  {
    name: 'a contact with ? and without brackets',
    section: 'RFC 4475 3.1.2.13',
    about: 'whose are the parameters? A proxy does not ask, who registers a contact refuses it',
    message: wire([
      'REGISTER sip:ims.test SIP/2.0',
      'To: sip:nobody-3@ims.test',
      'From: sip:nobody-3@ims.test;tag=998332',
      'Max-Forwards: 70',
      'Call-ID: bracket-1@parlour.test',
      'CSeq: 1 REGISTER',
      'Via: SIP/2.0/UDP 198.51.100.60:5061;branch=z9hG4bKbracket1',
      'Contact: sip:nobody-3@bench.parlour.test?Route=%3Csip:cellar.test%3E',
      'l: 0',
    ]),
    ...forwarded({ pcscf: '400', icscf: '403', scscf: '403' }),
  },
  {
    name: 'blanks between bracket and URI',
    section: 'RFC 4475 3.1.2.14',
    about: '< sip:... > is refused',
    message: invite(14, { To: 'To: "Oskar, at last" < sip:oskar@workshop.test >' }),
    ...refused('400', 'To is malformed: malformed URI in brackets'),
  },
  {
    name: 'a comma in a bare display name',
    section: 'RFC 4475 3.1.2.15',
    about: 'it would have to be quoted',
    message: invite(15, { From: 'From:    Lovelace, Ada <sip:ada@parlour.test>;tag=i15' }),
    ...refused('400', 'From is malformed'),
  },
  {
    name: 'a version of the future',
    section: 'RFC 4475 3.1.2.16',
    about: 'version 8.1 in start line and Via; the host of the Via can be read, so there is an answer',
    message: invite(16, {
      INVITE: 'INVITE sip:oskar@workshop.test SIP/8.1',
      Via: 'Via: SIP/8.1/UDP bench.parlour.test;branch=z9hG4bKinvalid16',
    }),
    ...refused('505', 'SIP version is not 2.0'),
  },
  {
    name: 'a CSeq of another method',
    section: 'RFC 4475 3.1.2.17',
    about: 'start line and CSeq disagree',
    message: invite(17, { CSeq: 'CSeq: 8 OPTIONS' }),
    ...refused('400', 'CSeq names another method than the start line'),
  },
  {
    name: 'an unknown method with the CSeq of another',
    section: 'RFC 4475 3.1.2.18',
    about: 'it could be answered 501 as well: 400 says what is wrong',
    message: invite(18, { INVITE: 'WHISTLE sip:oskar@workshop.test SIP/2.0', CSeq: 'CSeq: 8 INVITE' }),
    ...refused('400', 'CSeq names another method than the start line'),
  },
  {
    name: 'a status code of ten digits',
    section: 'RFC 4475 3.1.2.19',
    about: 'its first three digits are not taken for a status',
    message: wire([
      `SIP/2.0 4294967500 ${utf8('übergroß')}`,
      'Via: SIP/2.0/UDP 198.51.100.105;branch=z9hG4bKcode1',
      'Call-ID: code-1@parlour.test',
      'CSeq: 353494 INVITE',
      'From: <sip:ada@parlour.test>;tag=c1',
      'To: <sip:oskar@workshop.test>;tag=c2',
      'Content-Length: 0',
      'Contact: <sip:oskar@198.51.100.105>',
    ]),
    parser: 'dropped',
    proxy: 'dropped',
    daemons: silent,
    reason: 'status code is not 100 to 699',
  },
];
