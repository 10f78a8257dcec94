import type { AnswerContent } from '../answer.ts';
import { type Avp, avp } from '../codec/avp-types.ts';
import { baseAvps } from '../dictionary/base.ts';
import { rxAvps } from '../dictionary/rx.ts';
import { baseResult, type DiameterResult } from '../result.ts';
import {
  type AcceptableServiceInfo,
  acceptableServiceInfoAvp,
  type MediaComponent,
  mediaComponentAvp,
} from './media-component.ts';
import {
  type AccessCharging,
  type AccessNetworkInfo,
  accessNetworkAvps,
  type Flows,
  flowsAvp,
  type RxFeatures,
  supportedFeaturesAvp,
} from './rx-requests.ts';

export interface AaContent {
  readonly result: DiameterResult;
  readonly accessCharging?: readonly AccessCharging[] | undefined;
  readonly accessChargingAddress?: string | undefined;
  readonly acceptable?: AcceptableServiceInfo | undefined;
  readonly accessNetwork?: AccessNetworkInfo | undefined;
  readonly flows?: readonly Flows[] | undefined;
  readonly supportedFeatures?: readonly RxFeatures[] | undefined;
  /** Seconds. */
  readonly retryInterval?: number | undefined;
  readonly authorizationLifetime?: number | undefined;
  readonly classes?: readonly Buffer[] | undefined;
  readonly originStateId?: number | undefined;
  readonly errorMessage?: string | undefined;
}

/** The content of an AAA, in the order of the table. Source: TS 29.214 5.6.2. */
export function aaAnswer(content: AaContent): AnswerContent {
  const avps: Avp[] = [];
  for (const { value, flows } of content.accessCharging ?? []) {
    const parts = [avp(rxAvps.accessNetworkChargingIdentifierValue, value), ...flows.map(flowsAvp)];
    avps.push(avp(rxAvps.accessNetworkChargingIdentifier, parts));
  }
  if (content.accessChargingAddress !== undefined) {
    avps.push(avp(rxAvps.accessNetworkChargingAddress, content.accessChargingAddress));
  }
  if (content.acceptable !== undefined) avps.push(acceptableServiceInfoAvp(content.acceptable));
  if (content.accessNetwork !== undefined) avps.push(...accessNetworkAvps(content.accessNetwork));
  for (const flows of content.flows ?? []) avps.push(flowsAvp(flows));
  for (const features of content.supportedFeatures ?? []) avps.push(supportedFeaturesAvp(features));
  if (content.retryInterval !== undefined) avps.push(avp(rxAvps.retryInterval, content.retryInterval));
  if (content.authorizationLifetime !== undefined) {
    avps.push(avp(baseAvps.authorizationLifetime, content.authorizationLifetime));
  }
  pushCommon(avps, content);
  return { result: content.result, avps };
}

export interface SessionTerminationContent {
  readonly result: DiameterResult;
  readonly classes?: readonly Buffer[] | undefined;
  readonly accessNetwork?: AccessNetworkInfo | undefined;
  readonly originStateId?: number | undefined;
  readonly errorMessage?: string | undefined;
}

/** The content of a STA. Source: TS 29.214 5.6.6. */
export function sessionTerminationAnswer(content: SessionTerminationContent): AnswerContent {
  const avps: Avp[] = [];
  pushCommon(avps, content);
  if (content.accessNetwork !== undefined) avps.push(...accessNetworkAvps(content.accessNetwork));
  return { result: content.result, avps };
}

/** The content of a RAA. Source: TS 29.214 5.6.4. */
export function reAuthAnswer(result: DiameterResult, mediaComponents: readonly MediaComponent[] = []): AnswerContent {
  return { result, avps: mediaComponents.map(mediaComponentAvp) };
}

/** The content of an ASA, or of a RAA or STA that tells a result and no more. Source: TS 29.214 5.6.8. */
export function rxAnswer(resultCode: number): AnswerContent {
  return { result: baseResult(resultCode), avps: [] };
}

function pushCommon(avps: Avp[], content: SessionTerminationContent): void {
  for (const octets of content.classes ?? []) avps.push(avp(baseAvps.classAvp, octets));
  if (content.errorMessage !== undefined) avps.push(avp(baseAvps.errorMessage, content.errorMessage));
  if (content.originStateId !== undefined) avps.push(avp(baseAvps.originStateId, content.originStateId));
}
