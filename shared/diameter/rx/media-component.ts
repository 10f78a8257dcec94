import type { AvpList } from '../codec/avp-list.ts';
import { type Avp, avp } from '../codec/avp-types.ts';
import type { AvpDefinition } from '../dictionary/dictionary.ts';
import { rxAvps } from '../dictionary/rx.ts';

/** One Media-Sub-Component: flows that belong together, one each way. Source: TS 29.214 5.3.17. */
export interface MediaSubComponent {
  readonly flowNumber: number;
  /** `permit out ...` and `permit in ...`, at most one of each. */
  readonly flowDescriptions: readonly string[];
  readonly flowStatus?: number | undefined;
  readonly flowUsage?: number | undefined;
  readonly signallingProtocol?: number | undefined;
  /** bit/s */
  readonly maxUplink?: number | undefined;
  readonly maxDownlink?: number | undefined;
}

/** One Media-Component-Description: an m-line. Bandwidths are in bit/s. Source: TS 29.214 5.3.16. */
export interface MediaComponent {
  readonly number: number;
  readonly subComponents: readonly MediaSubComponent[];
  readonly applicationIdentifier?: string | undefined;
  readonly mediaType?: number | undefined;
  readonly maxUplink?: number | undefined;
  readonly maxDownlink?: number | undefined;
  readonly minUplink?: number | undefined;
  readonly minDownlink?: number | undefined;
  readonly flowStatus?: number | undefined;
  readonly reservationPriority?: number | undefined;
  readonly rsBandwidth?: number | undefined;
  readonly rrBandwidth?: number | undefined;
  /** latin1 text. */
  readonly codecData: readonly string[];
}

/** What a PCRF would accept instead. Source: TS 29.214 5.3.24. */
export interface AcceptableServiceInfo {
  readonly mediaComponents: readonly MediaComponent[];
  /** bit/s, of all media together. */
  readonly maxUplink: number | undefined;
  readonly maxDownlink: number | undefined;
}

const MAX_BIT_RATE = 0xffff_ffff;

/** Writes one component, its AVPs in the order of the table. Source: TS 29.214 5.3.16. */
export function mediaComponentAvp(component: MediaComponent): Avp {
  const avps: Avp[] = [avp(rxAvps.mediaComponentNumber, component.number)];
  for (const sub of component.subComponents) avps.push(subComponentAvp(sub));
  if (component.applicationIdentifier !== undefined) {
    avps.push(avp(rxAvps.afApplicationIdentifier, component.applicationIdentifier));
  }
  pushNumber(avps, rxAvps.mediaType, component.mediaType);
  pushBitRate(avps, rxAvps.maxRequestedBandwidthUl, component.maxUplink);
  pushBitRate(avps, rxAvps.maxRequestedBandwidthDl, component.maxDownlink);
  pushBitRate(avps, rxAvps.minRequestedBandwidthUl, component.minUplink);
  pushBitRate(avps, rxAvps.minRequestedBandwidthDl, component.minDownlink);
  pushNumber(avps, rxAvps.flowStatus, component.flowStatus);
  pushNumber(avps, rxAvps.reservationPriority, component.reservationPriority);
  pushBitRate(avps, rxAvps.rsBandwidth, component.rsBandwidth);
  pushBitRate(avps, rxAvps.rrBandwidth, component.rrBandwidth);
  for (const data of component.codecData) avps.push(avp(rxAvps.codecData, data));
  pushExtended(avps, component);
  return avp(rxAvps.mediaComponentDescription, avps);
}

function subComponentAvp(sub: MediaSubComponent): Avp {
  const avps: Avp[] = [avp(rxAvps.flowNumber, sub.flowNumber)];
  for (const description of sub.flowDescriptions) avps.push(avp(rxAvps.flowDescription, description));
  pushNumber(avps, rxAvps.flowStatus, sub.flowStatus);
  pushNumber(avps, rxAvps.flowUsage, sub.flowUsage);
  pushBitRate(avps, rxAvps.maxRequestedBandwidthUl, sub.maxUplink);
  pushBitRate(avps, rxAvps.maxRequestedBandwidthDl, sub.maxDownlink);
  pushNumber(avps, rxAvps.afSignallingProtocol, sub.signallingProtocol);
  pushExtended(avps, sub);
  return avp(rxAvps.mediaSubComponent, avps);
}

/** Reads every component of a message or group; a part that is not there is undefined. */
export function readMediaComponents(avps: AvpList): MediaComponent[] {
  return avps.groups(rxAvps.mediaComponentDescription).map((group) => ({
    number: group.unsigned32(rxAvps.mediaComponentNumber) ?? 0,
    subComponents: group.groups(rxAvps.mediaSubComponent).map(readSubComponent),
    applicationIdentifier: group.text(rxAvps.afApplicationIdentifier),
    mediaType: readMediaType(group),
    maxUplink: readRate(group, rxAvps.maxRequestedBandwidthUl, rxAvps.extendedMaxRequestedBwUl),
    maxDownlink: readRate(group, rxAvps.maxRequestedBandwidthDl, rxAvps.extendedMaxRequestedBwDl),
    minUplink: group.unsigned32(rxAvps.minRequestedBandwidthUl),
    minDownlink: group.unsigned32(rxAvps.minRequestedBandwidthDl),
    flowStatus: group.integer32(rxAvps.flowStatus),
    reservationPriority: group.integer32(rxAvps.reservationPriority),
    rsBandwidth: group.unsigned32(rxAvps.rsBandwidth),
    rrBandwidth: group.unsigned32(rxAvps.rrBandwidth),
    codecData: group.texts(rxAvps.codecData),
  }));
}

function readSubComponent(group: AvpList): MediaSubComponent {
  return {
    flowNumber: group.unsigned32(rxAvps.flowNumber) ?? 0,
    flowDescriptions: group.texts(rxAvps.flowDescription),
    flowStatus: group.integer32(rxAvps.flowStatus),
    flowUsage: group.integer32(rxAvps.flowUsage),
    signallingProtocol: group.integer32(rxAvps.afSignallingProtocol),
    maxUplink: readRate(group, rxAvps.maxRequestedBandwidthUl, rxAvps.extendedMaxRequestedBwUl),
    maxDownlink: readRate(group, rxAvps.maxRequestedBandwidthDl, rxAvps.extendedMaxRequestedBwDl),
  };
}

/** Source: TS 29.214 5.3.24. */
export function acceptableServiceInfoAvp(info: AcceptableServiceInfo): Avp {
  const avps = info.mediaComponents.map(mediaComponentAvp);
  pushBitRate(avps, rxAvps.maxRequestedBandwidthUl, info.maxUplink);
  pushBitRate(avps, rxAvps.maxRequestedBandwidthDl, info.maxDownlink);
  return avp(rxAvps.acceptableServiceInfo, avps);
}

/** Undefined when the answer has none. */
export function readAcceptableServiceInfo(avps: AvpList): AcceptableServiceInfo | undefined {
  const group = avps.grouped(rxAvps.acceptableServiceInfo);
  if (group === undefined) return undefined;
  return {
    mediaComponents: readMediaComponents(group),
    maxUplink: readRate(group, rxAvps.maxRequestedBandwidthUl, rxAvps.extendedMaxRequestedBwUl),
    maxDownlink: readRate(group, rxAvps.maxRequestedBandwidthDl, rxAvps.extendedMaxRequestedBwDl),
  };
}

/** OTHER is above what an Enumerated reads as positive. */
function readMediaType(group: AvpList): number | undefined {
  const type = group.integer32(rxAvps.mediaType);
  return type === undefined ? undefined : type >>> 0;
}

interface Rates {
  readonly maxUplink?: number | undefined;
  readonly maxDownlink?: number | undefined;
}

type RateDefinition = AvpDefinition<'Unsigned32'>;

/** bit/s: what `extended` says in kbit/s counts before what `plain` says. Source: TS 29.214 5.3.52, 5.3.53. */
function readRate(group: AvpList, plain: RateDefinition, extended: RateDefinition): number | undefined {
  const kilobits = group.unsigned32(extended);
  return kilobits === undefined ? group.unsigned32(plain) : kilobits * 1000;
}

/** What 32 bits of bit/s cannot hold is told in kbit/s beside them. Source: TS 29.214 5.3.52, 5.3.53. */
function pushExtended(avps: Avp[], { maxDownlink = 0, maxUplink = 0 }: Rates): void {
  if (maxDownlink > MAX_BIT_RATE) avps.push(kbits(rxAvps.extendedMaxRequestedBwDl, maxDownlink));
  if (maxUplink > MAX_BIT_RATE) avps.push(kbits(rxAvps.extendedMaxRequestedBwUl, maxUplink));
}

function kbits(definition: AvpDefinition<'Unsigned32'>, bitRate: number): Avp {
  return avp(definition, Math.min(MAX_BIT_RATE, Math.ceil(bitRate / 1000)));
}

function pushBitRate(avps: Avp[], definition: AvpDefinition<'Unsigned32'>, bitRate: number | undefined): void {
  if (bitRate !== undefined) avps.push(avp(definition, Math.min(MAX_BIT_RATE, bitRate)));
}

function pushNumber(
  avps: Avp[],
  definition: AvpDefinition<'Unsigned32' | 'Enumerated'>,
  value: number | undefined,
): void {
  if (value !== undefined) avps.push(avp(definition, value));
}
