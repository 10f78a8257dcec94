import { abortCauses, specificActions } from '#diameter/rx/rx-values';

/** Specific-Actions as the command line names them. Source: TS 29.214 5.3.13. */
export const actionNames = {
  charging: specificActions.CHARGING_CORRELATION_EXCHANGE,
  loss: specificActions.INDICATION_OF_LOSS_OF_BEARER,
  recovery: specificActions.INDICATION_OF_RECOVERY_OF_BEARER,
  release: specificActions.INDICATION_OF_RELEASE_OF_BEARER,
  'ip-can-change': specificActions['IP-CAN_CHANGE'],
  'out-of-credit': specificActions.INDICATION_OF_OUT_OF_CREDIT,
  allocated: specificActions.INDICATION_OF_SUCCESSFUL_RESOURCES_ALLOCATION,
  failed: specificActions.INDICATION_OF_FAILED_RESOURCES_ALLOCATION,
  'limited-pcc': specificActions.INDICATION_OF_LIMITED_PCC_DEPLOYMENT,
  'usage-report': specificActions.USAGE_REPORT,
  'access-info': specificActions.ACCESS_NETWORK_INFO_REPORT,
  'plmn-change': specificActions.PLMN_CHANGE,
} as const;

export type ActionName = keyof typeof actionNames;

/** Abort-Causes as the command line names them. Source: TS 29.214 5.3.1. */
export const causeNames = {
  'bearer-released': abortCauses.BEARER_RELEASED,
  'server-resources': abortCauses.INSUFFICIENT_SERVER_RESOURCES,
  'bearer-resources': abortCauses.INSUFFICIENT_BEARER_RESOURCES,
  'ps-to-cs': abortCauses.PS_TO_CS_HANDOVER,
  'sponsored-data': abortCauses.SPONSORED_DATA_CONNECTIVITY_DISALLOWED,
} as const;

export type CauseName = keyof typeof causeNames;
