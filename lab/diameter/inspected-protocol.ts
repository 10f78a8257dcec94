import type { DiameterMessage } from '#diameter/codec/message';
import type {
  ApplicationDefinition,
  AvpDefinition,
  CommandDefinition,
  Dictionary,
} from '#diameter/dictionary/dictionary';
import type { Finding } from './finding.ts';

/** One request of an application, and what is asked of it beyond its table. */
export interface InspectedCommand {
  /** Short name, such as AAR. */
  readonly name: string;
  readonly command: CommandDefinition;
  /** Its mandatory AVPs as the table has them after Session-Id. */
  readonly order: readonly AvpDefinition[];
  /** What is wrong with what its AVPs say. */
  content(request: DiameterMessage): readonly Finding[];
}

/** What messages of one application are held against. */
export interface InspectedProtocol {
  readonly application: ApplicationDefinition;
  readonly dictionary: Dictionary;
  /** AVPs whose M bit may be either. */
  readonly freeMandatory: ReadonlySet<AvpDefinition>;
  /** By command code. */
  readonly requests: ReadonlyMap<number, InspectedCommand>;
}
