import { rxAvps } from '../dictionary/rx.ts';

export const flowStatuses = rxAvps.flowStatus.values;
export const flowUsages = rxAvps.flowUsage.values;
/** As numbers without a sign. */
export const mediaTypes = { ...rxAvps.mediaType.values, OTHER: 0xffff_ffff } as const;
export const serviceInfoStatuses = rxAvps.serviceInfoStatus.values;
export const sipForkingIndications = rxAvps.sipForkingIndication.values;
export const rxRequestTypes = rxAvps.rxRequestType.values;
export const requiredAccessInfos = rxAvps.requiredAccessInfo.values;

/** Abort-Cause: an unknown one is no reason to keep a session. Source: TS 29.214 5.3.1. */
export const abortCauses = {
  BEARER_RELEASED: 0,
  INSUFFICIENT_SERVER_RESOURCES: 1,
  INSUFFICIENT_BEARER_RESOURCES: 2,
  PS_TO_CS_HANDOVER: 3,
  SPONSORED_DATA_CONNECTIVITY_DISALLOWED: 4,
} as const;

/** Specific-Action: later releases add to them, so that a value outside is no fault. Source: TS 29.214 5.3.13. */
export const specificActions = {
  CHARGING_CORRELATION_EXCHANGE: 1,
  INDICATION_OF_LOSS_OF_BEARER: 2,
  INDICATION_OF_RECOVERY_OF_BEARER: 3,
  INDICATION_OF_RELEASE_OF_BEARER: 4,
  'IP-CAN_CHANGE': 6,
  INDICATION_OF_OUT_OF_CREDIT: 7,
  INDICATION_OF_SUCCESSFUL_RESOURCES_ALLOCATION: 8,
  INDICATION_OF_FAILED_RESOURCES_ALLOCATION: 9,
  INDICATION_OF_LIMITED_PCC_DEPLOYMENT: 10,
  USAGE_REPORT: 11,
  ACCESS_NETWORK_INFO_REPORT: 12,
  INDICATION_OF_RECOVERY_FROM_LIMITED_PCC_DEPLOYMENT: 13,
  INDICATION_OF_ACCESS_NETWORK_INFO_REPORTING_FAILURE: 14,
  INDICATION_OF_TRANSFER_POLICY_EXPIRED: 15,
  PLMN_CHANGE: 16,
} as const;

/** Termination-Cause. Source: RFC 6733 8.15. */
export const terminationCauses = {
  LOGOUT: 1,
  SERVICE_NOT_PROVIDED: 2,
  BAD_ANSWER: 3,
  ADMINISTRATIVE: 4,
  LINK_BROKEN: 5,
  AUTH_EXPIRED: 6,
  USER_MOVED: 7,
  SESSION_TIMEOUT: 8,
} as const;

/** Subscription-Id-Type. Source: RFC 4006 8.47. */
export const subscriptionIdTypes = {
  END_USER_E164: 0,
  END_USER_IMSI: 1,
  END_USER_SIP_URI: 2,
  END_USER_NAI: 3,
  END_USER_PRIVATE: 4,
} as const;
