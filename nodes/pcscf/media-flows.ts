import type { MediaSubComponent } from '#diameter/rx/media-component';
import { flowUsages } from '#diameter/rx/rx-values';
import { isUnspecified } from '#sip/sdp/connection';
import type { MediaDescription } from '#sip/sdp/media-description';
import type { SessionDescription } from '#sip/sdp/session-description';
import { equalsIgnoreCase } from '#sip/uri/characters';
import { isIpAddress } from '#sip/uri/host-port';

/** One stream in the description of one side. */
export interface StreamEnd {
  readonly sdp: SessionDescription;
  readonly media: MediaDescription;
}

/** A stream with both its ends; `remote` is null while only the UE's description is known, and the other way round. */
export interface StreamEnds {
  readonly ue: StreamEnd | null;
  readonly remote: StreamEnd | null;
}

export interface FlowOptions {
  /** Drop the sender's port: RTP may be sent from another port than it is received at. */
  readonly omitSourcePorts: boolean;
  /** Address of the UE, for a description that names none (hold by 0.0.0.0). */
  readonly ueAddress: string;
}

/** One end of a flow as a filter says it: `10.46.0.5`, and the ports `49152`, `49152-49155` or none. */
interface Place {
  readonly address: string;
  readonly ports: string;
}

const anywhere: Place = { address: 'any', ports: '' };
const maxPort = 0xffff;
/** The port of a TCP end that will open the connection. Source: RFC 4145 4. */
const discardPort = 9;

/**
 * The sub-components of a stream: RTP, and RTCP beside it unless both share a port or RTCP is turned off
 * (`withRtcp` false); one for everything else. Each has one filter towards the UE (`out`) and one from it (`in`).
 *
 * Source: TS 29.213 6.2; TS 29.214 5.3.8; requirements.
 */
export function subComponentsOf(ends: StreamEnds, withRtcp: boolean, options: FlowOptions): MediaSubComponent[] {
  const some = ends.ue ?? ends.remote;
  if (some === null) return [];
  const protocol = protocolNumber(some.media.protocol);
  const isPair = some.media.isRtp && protocol !== 'tcp';
  const place = (end: StreamEnd | null) =>
    end === null ? anywhere : { address: addressOf(end.media), ports: mediaPorts(end, protocol, isPair) };
  const main = subComponent(1, flowUsages.NO_INFORMATION, protocol, place(ends.ue), place(ends.remote), options);
  if (!isPair || !withRtcp || isMultiplexed(ends)) return [main];
  const ue = ends.ue === null ? anywhere : rtcpPlace(ends.ue.media);
  const remote = ends.remote === null ? anywhere : rtcpPlace(ends.remote.media);
  if (ue === null || remote === null) return [main];
  return [main, subComponent(2, flowUsages.RTCP, protocol, ue, remote, options)];
}

type Protocol = 'udp' | 'tcp' | 'sctp' | 'dccp' | 'ip';

/** As the filter names them: numbers of IANA. */
const protocolNumbers: Readonly<Record<Protocol, string>> = { udp: '17', tcp: '6', sctp: '132', dccp: '33', ip: 'ip' };

function subComponent(
  flowNumber: number,
  flowUsage: number,
  protocol: Protocol,
  ue: Place,
  remote: Place,
  { omitSourcePorts, ueAddress }: FlowOptions,
): MediaSubComponent {
  const near = ue.address === 'any' && ueAddress !== '' ? { ...ue, address: ueAddress } : ue;
  const filter = (way: 'in' | 'out', from: Place, to: Place) => {
    const source = omitSourcePorts || from.ports === '' ? from.address : `${from.address} ${from.ports}`;
    const target = to.ports === '' ? to.address : `${to.address} ${to.ports}`;
    return `permit ${way} ${protocolNumbers[protocol]} from ${source} to ${target}`;
  };
  return { flowNumber, flowDescriptions: [filter('out', remote, near), filter('in', near, remote)], flowUsage };
}

/** The protocol under a transport of an m-line (`RTP/AVP`, `TCP/TLS/MSRP`, `udptl`); `ip` for one that is not known. */
function protocolNumber(transport: string): Protocol {
  const parts = transport.toUpperCase().split('/', 3);
  const first = parts[0] ?? '';
  if (first === 'TCP' || first === 'UDP' || first === 'DCCP') return first.toLowerCase() as Protocol;
  if (first === 'RTP' || first === 'UDPTL' || first === 'DTLS') return 'udp';
  if (first === 'SCTP') return 'sctp';
  // Before RFC 4975 was final, MSRP named no transport.
  return first === 'MSRP' ? 'tcp' : 'ip';
}

/** Address of a stream, `any` for none, for 0.0.0.0 and for a host name. */
function addressOf({ connection }: MediaDescription): string {
  if (connection === null || isUnspecified(connection)) return 'any';
  return isIpAddress(connection.address) === 0 ? 'any' : connection.address;
}

function mediaPorts({ media, sdp }: StreamEnd, protocol: Protocol, isPair: boolean): string {
  if (protocol === 'tcp' && opensConnection(media)) return '';
  const port = portOf(media, sdp);
  // RTP streams of one m-line lie two ports apart.
  return port === 0 ? '' : portRange(port, isPair ? 2 * media.portCount - 1 : media.portCount);
}

/** A stream that is in a bundle only has the port of the first one. Source: RFC 8843 6. */
function portOf(media: MediaDescription, sdp: SessionDescription): number {
  return media.port > 0 ? media.port : (sdp.media.find(({ port }) => port > 0)?.port ?? 0);
}

/** Whether a TCP end may connect from any port. Source: RFC 4145 4. */
function opensConnection(media: MediaDescription): boolean {
  if (media.port === discardPort) return true;
  const setup = media.lines.attribute('setup') ?? '';
  return equalsIgnoreCase(setup, 'active') || equalsIgnoreCase(setup, 'actpass');
}

function isMultiplexed({ remote, ue }: StreamEnds): boolean {
  if (ue === null || remote === null) return false;
  return ue.media.lines.attribute('rtcp-mux') !== null && remote.media.lines.attribute('rtcp-mux') !== null;
}

/** Where RTCP of a stream goes; null when there is no port for it. */
function rtcpPlace(media: MediaDescription): Place | null {
  const { rtcp } = media;
  if (rtcp === null) return null;
  const said = rtcp.connection;
  const address = said !== null && isIpAddress(said.address) !== 0 ? said.address : addressOf(media);
  return { address, ports: portRange(rtcp.port, 2 * media.portCount - 1) };
}

function portRange(port: number, count: number): string {
  return count === 1 ? String(port) : `${port}-${Math.min(maxPort, port + count - 1)}`;
}
