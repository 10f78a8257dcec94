import { baseAvps } from '#diameter/dictionary/base';
import { cxApplication, cxAvps, cxCommands, cxDictionary } from '#diameter/dictionary/cx';
import type { AvpDefinition, CommandDefinition } from '#diameter/dictionary/dictionary';
import type { InspectedCommand, InspectedProtocol } from '../diameter/inspected-protocol.ts';
import { contentFindings } from './content-inspection.ts';

/** Their M bit depends on the feature. Source: TS 29.229 6.3.29, 7.2. */
const freeMandatory: ReadonlySet<AvpDefinition> = new Set([
  cxAvps.supportedFeatures,
  cxAvps.featureListId,
  cxAvps.featureList,
]);

const { authSessionState, destinationRealm, originHost, originRealm, userName } = baseAvps;
const { publicIdentity, serverName } = cxAvps;
const common = [baseAvps.vendorSpecificApplicationId, authSessionState, originHost, originRealm, destinationRealm];

const requests: readonly InspectedCommand[] = [
  inspected('UAR', cxCommands.userAuthorization, [userName, publicIdentity, cxAvps.visitedNetworkIdentifier]),
  inspected('SAR', cxCommands.serverAssignment, [
    serverName,
    cxAvps.serverAssignmentType,
    cxAvps.userDataAlreadyAvailable,
  ]),
  inspected('LIR', cxCommands.locationInfo, [publicIdentity]),
  inspected('MAR', cxCommands.multimediaAuth, [
    userName,
    publicIdentity,
    cxAvps.sipAuthDataItem,
    cxAvps.sipNumberAuthItems,
    serverName,
  ]),
];

function inspected(name: string, command: CommandDefinition, own: readonly AvpDefinition[]): InspectedCommand {
  return {
    name,
    command,
    order: [...common, ...own],
    content: (request) => contentFindings(request, command),
  };
}

/** What an HSS holds the messages of Cx against. Source: TS 29.229 5, 6. */
export const cxProtocol: InspectedProtocol = {
  application: cxApplication,
  dictionary: cxDictionary,
  freeMandatory,
  requests: new Map(requests.map((row) => [row.command.code, row])),
};

/** Short name of a request, such as SAR; of a command that is not served, `unknown`. */
export function requestName(command: number): string {
  return cxProtocol.requests.get(command)?.name ?? 'unknown';
}
