import type { Phone } from './phone.ts';
import { fieldOf, fieldsOf, tagOf } from './sip-text.ts';
import type { Switchboard } from './switchboard.ts';

/*
 * The messages of the phones, as texts with gaps: a handset's size and fields, little work.
 */

const accessNetwork = '3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=001010001000019B';
const mmtel = 'urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel';
const allow = 'INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, MESSAGE, NOTIFY, OPTIONS, INFO, REFER';
const phrases: Readonly<Record<number, string>> = {
  180: 'Ringing',
  200: 'OK',
  481: 'Call/Transaction Does Not Exist',
  487: 'Request Terminated',
};

/** What is the same in all requests of one procedure. */
export interface Frame {
  readonly phone: Phone;
  readonly callId: string;
  readonly fromTag: string;
  readonly branch: string;
}

/** Via and what follows in every request. */
function head({ wire }: Switchboard, { phone, branch }: Frame): string {
  const transport = wire.transport.toUpperCase();
  return `Via: SIP/2.0/${transport} ${wire.sentBy(phone.number)};branch=${branch};rport\r\nMax-Forwards: 70\r\n`;
}

function dialogFields(board: Switchboard, { phone, callId, fromTag }: Frame, to: string, cseq: string): string {
  const { domain } = board.users;
  return `From: <sip:${phone.user}@${domain}>;tag=${fromTag}\r\nTo: ${to}\r\nCall-ID: ${callId}\r\nCSeq: ${cseq}\r\n`;
}

function contactUri({ wire }: Switchboard, phone: Phone): string {
  const transport = wire.transport === 'udp' ? '' : `;transport=${wire.transport}`;
  return `sip:${phone.user}@${wire.sentBy(phone.number)}${transport}`;
}

/** The proxy and the Service-Route as Route. */
function firstRoutes({ wire, proxy }: Switchboard, phone: Phone): string {
  const transport = wire.transport === 'udp' ? '' : `;transport=${wire.transport}`;
  return `Route: <sip:${proxy};lr${transport}>, ${phone.serviceRoute}\r\n`;
}

function identityFields({ users }: Switchboard, phone: Phone): string {
  return `P-Preferred-Identity: <sip:${phone.user}@${users.domain}>\r\nP-Access-Network-Info: ${accessNetwork}\r\n`;
}

/** `expires`: seconds, 0 to end the registration. */
export function registerRequest(
  board: Switchboard,
  frame: Frame,
  cseq: number,
  authorization: string,
  expires: number,
): string {
  const { phone } = frame;
  const { domain } = board.users;
  return (
    `REGISTER sip:${domain} SIP/2.0\r\n${head(board, frame)}` +
    dialogFields(board, frame, `<sip:${phone.user}@${domain}>`, `${cseq} REGISTER`) +
    `Contact: <${contactUri(board, phone)}>;expires=${expires};+sip.instance="<urn:gsma:imei:35000000-${phone.user}-0>";` +
    `+g.3gpp.icsi-ref="${mmtel}"\r\nExpires: ${expires}\r\nAuthorization: ${authorization}\r\nSupported: path, gruu\r\n` +
    `Allow: ${allow}\r\nP-Access-Network-Info: ${accessNetwork}\r\nUser-Agent: load phone\r\nContent-Length: 0\r\n\r\n`
  );
}

/** What stands in Authorization before there is a challenge. */
export function emptyAuthorization(phone: Phone, domain: string): string {
  return `Digest username="${phone.user}@${domain}", realm="${domain}", uri="sip:${domain}", nonce="", response=""`;
}

export function inviteRequest(board: Switchboard, frame: Frame, to: string): string {
  const { phone } = frame;
  const body = sessionDescription(board, phone);
  return (
    `INVITE ${to} SIP/2.0\r\n${head(board, frame)}${firstRoutes(board, phone)}` +
    dialogFields(board, frame, `<${to}>`, '1 INVITE') +
    `Contact: <${contactUri(board, phone)}>;+g.3gpp.icsi-ref="${mmtel}"\r\n${identityFields(board, phone)}` +
    'P-Preferred-Service: urn:urn-7:3gpp-service.ims.icsi.mmtel\r\n' +
    `Accept-Contact: *;+g.3gpp.icsi-ref="${mmtel}"\r\nSupported: timer\r\nAllow: ${allow}\r\nUser-Agent: load phone\r\n` +
    `Content-Type: application/sdp\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  );
}

export function messageRequest(board: Switchboard, frame: Frame, to: string): string {
  const { phone } = frame;
  const body = `hello from ${phone.user}`;
  return (
    `MESSAGE ${to} SIP/2.0\r\n${head(board, frame)}${firstRoutes(board, phone)}` +
    dialogFields(board, frame, `<${to}>`, '1 MESSAGE') +
    `${identityFields(board, phone)}User-Agent: load phone\r\n` +
    `Content-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  );
}

/** The dialog as one end knows it: the caller from the 200, the called phone from the INVITE. */
export interface DialogRoute {
  readonly target: string;
  readonly routes: string;
  /** To of what this end sends, with its tag. */
  readonly to: string;
}

/** ACK of a 2xx, BYE, or an INFO that asks whether the call still stands. */
export function inDialogRequest(
  board: Switchboard,
  frame: Frame,
  method: 'ACK' | 'BYE' | 'INFO',
  cseq: number,
  dialog: DialogRoute,
): string {
  const route = dialog.routes === '' ? '' : `Route: ${dialog.routes}\r\n`;
  return (
    `${method} ${dialog.target} SIP/2.0\r\n${head(board, frame)}${route}` +
    `${dialogFields(board, frame, dialog.to, `${cseq} ${method}`)}Content-Length: 0\r\n\r\n`
  );
}

/** ACK of a refusal, or CANCEL: along the way of the INVITE, with its branch. Source: RFC 3261 17.1.1.3, 9.1. */
export function hopRequest(
  board: Switchboard,
  frame: Frame,
  method: 'ACK' | 'CANCEL',
  requestUri: string,
  to: string,
): string {
  return (
    `${method} ${requestUri} SIP/2.0\r\n${head(board, frame)}${firstRoutes(board, frame.phone)}` +
    `${dialogFields(board, frame, to, `1 ${method}`)}Content-Length: 0\r\n\r\n`
  );
}

/** A response to an INVITE of a called phone; a 200 carries the answer. */
export function inviteResponse(board: Switchboard, phone: Phone, invite: string, status: number, tag: string): string {
  const recorded = fieldsOf(invite, 'Record-Route').map((value) => `Record-Route: ${value}\r\n`);
  const body = status === 200 ? sessionDescription(board, phone) : '';
  const type = body === '' ? '' : `Allow: ${allow}\r\nContent-Type: application/sdp\r\n`;
  return (
    `${responseHead(invite, status, tag)}${recorded.join('')}Contact: <${contactUri(board, phone)}>\r\n` +
    `${type}Content-Length: ${body.length}\r\n\r\n${body}`
  );
}

/** A response without content, for a request that needs no state. */
export function statelessAnswer(request: string, status: number): string {
  const tag = tagOf(fieldOf(request, 'To')) === '' ? 'load' : '';
  return `${responseHead(request, status, tag)}Content-Length: 0\r\n\r\n`;
}

/** Fields that every response copies; `tag` goes to To unless empty. Source: RFC 3261 8.2.6. */
function responseHead(request: string, status: number, tag: string): string {
  const vias = fieldsOf(request, 'Via').map((value) => `Via: ${value}\r\n`);
  const to = fieldOf(request, 'To');
  return (
    `SIP/2.0 ${status} ${phrases[status]}\r\n${vias.join('')}From: ${fieldOf(request, 'From')}\r\n` +
    `To: ${tag === '' || tagOf(to) !== '' ? to : `${to};tag=${tag}`}\r\n` +
    `Call-ID: ${fieldOf(request, 'Call-ID')}\r\nCSeq: ${fieldOf(request, 'CSeq')}\r\n`
  );
}

function sessionDescription({ wire }: Switchboard, { number }: Phone): string {
  const sentBy = wire.sentBy(number);
  const address = sentBy.slice(0, sentBy.indexOf(':'));
  return (
    `v=0\r\no=load 1 1 IN IP4 ${address}\r\ns=-\r\nc=IN IP4 ${address}\r\nt=0 0\r\nm=audio 49152 RTP/AVP 104 101\r\n` +
    'b=AS:38\r\na=rtpmap:104 AMR-WB/16000\r\na=fmtp:104 mode-change-capability=2\r\n' +
    'a=rtpmap:101 telephone-event/16000\r\na=sendrecv\r\n'
  );
}
