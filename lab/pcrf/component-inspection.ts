import type { DiameterMessage } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { rxAvps } from '#diameter/dictionary/rx';
import { readFramedAddress } from '#diameter/rx/framed-address';
import { type MediaComponent, type MediaSubComponent, readMediaComponents } from '#diameter/rx/media-component';
import { rxResultCodes } from '#diameter/rx/rx-results';
import { flowStatuses, flowUsages, serviceInfoStatuses } from '#diameter/rx/rx-values';
import { addressNumber } from '#service/cidr';
import { parseCodecData } from './codec-description.ts';
import { type FlowDescription, parseFlowDescription, ueEnd } from './flow-description.ts';
import { mediaTypeName } from './media-type-name.ts';
import type { RxFinding } from './rx-finding.ts';

type Avps = DiameterMessage['avps'];

/** Notes one finding about the component at hand. */
type Note = (id: string, words: string, code?: number) => void;

const { FILTER_RESTRICTIONS, INVALID_SERVICE_INFORMATION } = rxResultCodes;

/**
 * What is wrong with the media components of an AAR: numbers, sub-components, filters and Codec-Data.
 * Source: TS 29.214 4.4.5, 5.3.7, 5.3.8, 5.3.16, 5.3.17; requirements.
 */
export function componentFindings(avps: Avps): RxFinding[] {
  const findings: RxFinding[] = [];
  const encoded = avps.encoded(rxAvps.mediaComponentDescription);
  const ueAddress = readFramedAddress(avps);
  const ue = ueAddress?.prefixLength === 32 || ueAddress?.prefixLength === 128 ? ueAddress.address : undefined;
  const isPreliminary =
    avps.integer32(rxAvps.serviceInfoStatus) === serviceInfoStatuses.PRELIMINARY_SERVICE_INFORMATION;
  const numbers = new Set<number>();
  readMediaComponents(avps).forEach((component, i) => {
    const note: Note = (id, words, resultCode) =>
      findings.push({
        id,
        words: `media component ${component.number}: ${words}`,
        resultCode,
        experimental: true,
        failedAvp: encoded[i],
      });
    if (numbers.has(component.number)) note('component-twice', 'is there twice', INVALID_SERVICE_INFORMATION);
    numbers.add(component.number);
    checkComponent(component, ue, note);
    if (component.codecData.length === 1 && !isPreliminary) {
      note('codec-data-one-side', 'has Codec-Data of one side only, and the service is not preliminary');
    }
  });
  if (encoded.length === 0 && !avps.has(baseAvps.destinationHost)) {
    findings.push({ id: 'no-media-component', words: 'a new session without Media-Component-Description' });
  }
  return findings;
}

function checkComponent(component: MediaComponent, ue: string | undefined, note: Note): void {
  const { flowStatus, number, subComponents } = component;
  if (flowStatus === flowStatuses.REMOVED) {
    if (subComponents.length > 0) note('removed-with-flows', 'is removed, and has sub-components');
    return;
  }
  const isSignalling = subComponents.some(({ flowUsage }) => flowUsage === flowUsages.AF_SIGNALLING);
  if (number === 0 && !isSignalling) {
    note('component-zero', 'number 0 is for AF signalling alone', INVALID_SERVICE_INFORMATION);
  }
  const flows = new Set<number>();
  for (const sub of subComponents) {
    if (flows.has(sub.flowNumber)) note('flow-twice', `has flow ${sub.flowNumber} twice`, INVALID_SERVICE_INFORMATION);
    flows.add(sub.flowNumber);
    if (sub.flowNumber === 0 && sub.flowUsage !== flowUsages.AF_SIGNALLING) {
      note('flow-zero', 'flow number 0 is for AF signalling alone', INVALID_SERVICE_INFORMATION);
    }
    checkFilters(sub, ue, note);
  }
  checkCodecData(component, note);
}

function checkFilters({ flowDescriptions, flowNumber }: MediaSubComponent, ue: string | undefined, note: Note): void {
  const told: FlowDescription[] = [];
  for (const text of flowDescriptions) {
    const flow = parseFlowDescription(text);
    if (typeof flow === 'string') {
      note('flow-description', `Flow-Description "${text.slice(0, 120)}" ${flow}`, FILTER_RESTRICTIONS);
      continue;
    }
    told.push(flow);
    const near = ueEnd(flow);
    if (ue !== undefined && near.address !== 'any' && !isSame(near.address, ue)) {
      const words = `the UE's end of "${text.slice(0, 120)}" is not its Framed address ${ue}`;
      note('flow-of-another', words);
    }
  }
  if (flowDescriptions.length > 2) {
    note(
      'too-many-filters',
      `flow ${flowNumber} has ${flowDescriptions.length} filters, two at most`,
      FILTER_RESTRICTIONS,
    );
  }
  const [first, second] = told;
  if (second !== undefined && first!.direction === second.direction) {
    note('filters-one-way', `both filters of flow ${flowNumber} are ${second.direction}`, FILTER_RESTRICTIONS);
  }
}

/** IPv6 addresses have several spellings. */
function isSame(one: string, other: string): boolean {
  return one === other || addressNumber(one)?.value === addressNumber(other)?.value;
}

function checkCodecData({ codecData, mediaType }: MediaComponent, note: Note): void {
  for (const text of codecData) {
    const described = parseCodecData(text);
    if (typeof described === 'string') {
      note('codec-data', `Codec-Data ${described}`, INVALID_SERVICE_INFORMATION);
      continue;
    }
    const expected = mediaType === undefined ? undefined : mediaTypeName(mediaType);
    const given = mediaTypeName(described.media);
    if (expected !== undefined && expected !== given) {
      const words = `Media-Type is ${expected}, the m-line of its Codec-Data ${described.media}`;
      note('codec-data-media', words, INVALID_SERVICE_INFORMATION);
    }
  }
  if (new Set(codecData).size < codecData.length) note('codec-data-twice', 'has one Codec-Data twice');
}
