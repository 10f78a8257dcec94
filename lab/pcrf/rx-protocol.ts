import { baseAvps } from '#diameter/dictionary/base';
import type { AvpDefinition } from '#diameter/dictionary/dictionary';
import { rxApplication, rxAvps, rxCommands, rxDictionary } from '#diameter/dictionary/rx';
import type { InspectedCommand, InspectedProtocol } from '../diameter/inspected-protocol.ts';
import { serviceFindings, terminationFindings } from './service-inspection.ts';

/** Their M bit depends on the feature. Source: TS 29.229 6.3.29, 7.2; TS 29.214 5.4.1. */
const freeMandatory: ReadonlySet<AvpDefinition> = new Set([
  rxAvps.supportedFeatures,
  rxAvps.featureListId,
  rxAvps.featureList,
]);

const { authApplicationId, destinationRealm, originHost, originRealm, terminationCause } = baseAvps;

const requests: readonly InspectedCommand[] = [
  {
    name: 'AAR',
    command: rxCommands.aa,
    order: [authApplicationId, originHost, originRealm, destinationRealm],
    content: serviceFindings,
  },
  {
    name: 'STR',
    command: rxCommands.sessionTermination,
    order: [originHost, originRealm, destinationRealm, authApplicationId, terminationCause],
    content: terminationFindings,
  },
];

/** What a PCRF holds the messages of Rx against. Source: TS 29.214 5.3, 5.6. */
export const rxProtocol: InspectedProtocol = {
  application: rxApplication,
  dictionary: rxDictionary,
  freeMandatory,
  requests: new Map(requests.map((row) => [row.command.code, row])),
};
