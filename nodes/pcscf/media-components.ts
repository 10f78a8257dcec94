import type { MediaComponent } from '#diameter/rx/media-component';
import { flowStatuses, mediaTypes } from '#diameter/rx/rx-values';
import type { SessionDescription } from '#sip/sdp/session-description';
import { codecData } from './codec-data.ts';
import { bandwidthWanted, rtcpBandwidth } from './media-bandwidth.ts';
import { type FlowOptions, type StreamEnd, type StreamEnds, subComponentsOf } from './media-flows.ts';

/** What the two sides said last; one is null while only an offer is known. Which side is the UE's, the dialog tells. */
export interface MediaExchange {
  /** Last description that the served UE sent. */
  readonly ue: SessionDescription | null;
  /** Last description that was delivered to it. */
  readonly remote: SessionDescription | null;
  /** Whose description is the offer; null when it is not known. */
  readonly offerer: 'ue' | 'remote' | null;
  /** Whether the session was answered (200): before that, gates may be kept shut. */
  readonly isConfirmed: boolean;
}

export interface MediaComponentOptions extends FlowOptions {
  /** bit/s by media type (`audio`) or codec (`audio/amr-wb`), in lower case, for streams that say none. */
  readonly defaultBandwidth: ReadonlyMap<string, number>;
  /** Media types that are asked to have their bandwidth guaranteed. */
  readonly guaranteed: ReadonlySet<string>;
  /** Whether media may flow before the 200. */
  readonly earlyMedia: boolean;
}

/** What is done where nobody configured otherwise. Source: requirements. */
export const defaultMediaOptions: MediaComponentOptions = {
  defaultBandwidth: new Map([
    ['audio', 64_000],
    ['video', 512_000],
  ]),
  guaranteed: new Set(['audio']),
  earlyMedia: true,
  omitSourcePorts: false,
  ueAddress: '',
};

/** What the PCRF was told of each m-line, in their order. */
export type MediaLineStates = readonly ('none' | 'active' | 'removed')[];

export interface MediaComponents {
  readonly components: readonly MediaComponent[];
  /** For the next exchange of the session, once the PCRF has these components. */
  readonly states: MediaLineStates;
}

/** More m-lines than a parsed description can have. */
const maxLines = 64;

const mediaTypeNumbers: ReadonlyMap<string, number> = new Map([
  ['audio', mediaTypes.AUDIO],
  ['video', mediaTypes.VIDEO],
  ['data', mediaTypes.DATA],
  ['application', mediaTypes.APPLICATION],
  ['control', mediaTypes.CONTROL],
  ['text', mediaTypes.TEXT],
  ['message', mediaTypes.MESSAGE],
]);

/**
 * The media components of a session: one for each m-line that both sides take, numbered by its place; an m-line that was
 * taken before and is no more is told once as removed. Preconditions do not matter: the bearer is what meets them.
 *
 * Source: TS 29.213 6.2; TS 29.214 4.4.1, 4.4.2; requirements.
 */
export function mediaComponents(
  exchange: MediaExchange,
  states: MediaLineStates = [],
  options: MediaComponentOptions = defaultMediaOptions,
): MediaComponents {
  const lines = Math.max(exchange.ue?.media.length ?? 0, exchange.remote?.media.length ?? 0, states.length);
  const components: MediaComponent[] = [];
  const after: ('none' | 'active' | 'removed')[] = [];
  for (let i = 0; i < Math.min(lines, maxLines); i++) {
    const before = states[i] ?? 'none';
    const ends = endsOf(exchange, i);
    if (ends !== null) components.push(activeComponent(i + 1, ends, exchange, options));
    else if (before === 'active') components.push(removedComponent(i + 1, exchange));
    after.push(ends !== null ? 'active' : before === 'none' ? 'none' : 'removed');
  }
  return { components, states: after };
}

/** Both ends of an m-line, null when one of the sides that spoke has refused it or has none at its place. */
function endsOf({ remote, ue }: MediaExchange, index: number): StreamEnds | null {
  const ends = { ue: endOf(ue, index), remote: endOf(remote, index) };
  if ((ue !== null && ends.ue === null) || (remote !== null && ends.remote === null)) return null;
  return ends.ue === null && ends.remote === null ? null : ends;
}

function endOf(sdp: SessionDescription | null, index: number): StreamEnd | null {
  const media = sdp?.media[index];
  return sdp === null || media === undefined || !media.offered ? null : { sdp, media };
}

function removedComponent(number: number, { remote, ue }: MediaExchange): MediaComponent {
  const type = (ue?.media[number - 1] ?? remote?.media[number - 1])?.type ?? '';
  return {
    number,
    subComponents: [],
    mediaType: mediaTypeNumbers.get(type) ?? mediaTypes.OTHER,
    flowStatus: flowStatuses.REMOVED,
    codecData: [],
  };
}

function activeComponent(
  number: number,
  ends: StreamEnds,
  exchange: MediaExchange,
  options: MediaComponentOptions,
): MediaComponent {
  const { remote, ue } = ends;
  const type = (ue ?? remote)?.media.type ?? '';
  const maxUplink = remote === null ? undefined : bandwidthWanted(remote.sdp, remote.media, options.defaultBandwidth);
  const maxDownlink = ue === null ? undefined : bandwidthWanted(ue.sdp, ue.media, options.defaultBandwidth);
  const isGuaranteed = options.guaranteed.has(type);
  return {
    number,
    subComponents: subComponentsOf(ends, !isRtcpOff(ends), options),
    mediaType: mediaTypeNumbers.get(type) ?? mediaTypes.OTHER,
    maxUplink,
    maxDownlink,
    minUplink: isGuaranteed ? maxUplink : undefined,
    minDownlink: isGuaranteed ? maxDownlink : undefined,
    flowStatus: flowStatusOf(ends, options.earlyMedia || exchange.isConfirmed),
    rsBandwidth: largerRtcp(ends, 'RS'),
    rrBandwidth: largerRtcp(ends, 'RR'),
    codecData: codecDataOf(ends, exchange.offerer),
  };
}

/** Which way media may flow, seen from the UE; a side that has not spoken yet allows everything. Source: requirement Q-03. */
function flowStatusOf({ remote, ue }: StreamEnds, isOpen: boolean): number {
  if (!isOpen) return flowStatuses.DISABLED;
  const up = (ue?.media.sends ?? true) && (remote?.media.receives ?? true);
  const down = (ue?.media.receives ?? true) && (remote?.media.sends ?? true);
  if (up) return down ? flowStatuses.ENABLED : flowStatuses['ENABLED-UPLINK'];
  return down ? flowStatuses['ENABLED-DOWNLINK'] : flowStatuses.DISABLED;
}

/** Whether both sides have turned RTCP off. Source: RFC 3556 2. */
function isRtcpOff({ remote, ue }: StreamEnds): boolean {
  if (ue === null || remote === null) return false;
  return [ue, remote].every(
    ({ media, sdp }) => rtcpBandwidth(sdp, media, 'RS') === 0 && rtcpBandwidth(sdp, media, 'RR') === 0,
  );
}

/** The larger of what the two sides say; undefined where both say nothing. Source: requirement Q-06. */
function largerRtcp({ remote, ue }: StreamEnds, type: 'RS' | 'RR'): number | undefined {
  const near = ue === null ? null : rtcpBandwidth(ue.sdp, ue.media, type);
  const far = remote === null ? null : rtcpBandwidth(remote.sdp, remote.media, type);
  return near === null && far === null ? undefined : Math.max(near ?? 0, far ?? 0);
}

/** The offer first, then the answer. Source: requirement Q-10. */
function codecDataOf({ remote, ue }: StreamEnds, offerer: MediaExchange['offerer']): string[] {
  const role = (side: 'ue' | 'remote') => (offerer === null ? 'description' : offerer === side ? 'offer' : 'answer');
  const uplink = ue === null ? [] : [codecData('uplink', role('ue'), ue.sdp, ue.media)];
  const downlink = remote === null ? [] : [codecData('downlink', role('remote'), remote.sdp, remote.media)];
  return offerer === 'remote' ? [...downlink, ...uplink] : [...uplink, ...downlink];
}
