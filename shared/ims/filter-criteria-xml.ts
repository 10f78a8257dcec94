import { readLatin1 } from '#sip/parser/latin1';
import {
  type ApplicationServer,
  type FilterCriterion,
  filterLimits,
  type ServicePointTrigger,
  type TriggerPoint,
} from './filter-criterion.ts';
import {
  collectNumbers,
  extended,
  flagOf,
  numberOf,
  presenceOf,
  pushNumber,
  textOf,
  textOfExtended,
  trim,
} from './profile-element.ts';
import type { ProfileReading } from './profile-reading.ts';
import { childOf, type XmlElement } from './xml.ts';

/** The filter criteria of a service profile as they are read. */
export interface ReadCriteria {
  /** In document order. */
  readonly criteria: readonly FilterCriterion[];
  /** Their XML: what two service profiles have in common when they have the same criteria. */
  readonly xml: string;
}

/**
 * Reads the InitialFilterCriteria of a ServiceProfile. Order and namespaces do not matter. A criterion without priority or
 * server is left out with a warning, a condition that is not known never holds; what is beyond `filterLimits` makes the
 * reading fail.
 *
 * Source: TS 29.228 B.2.2, B.2.3, annexes E, F; requirements S-90, S-91, S-92, X-D9.
 */
export function readFilterCriteria(profile: XmlElement, reading: ProfileReading): ReadCriteria {
  const criteria: FilterCriterion[] = [];
  const left = { triggers: filterLimits.allTriggers };
  let count = 0;
  let xml = '';
  let run = { start: 0, end: 0 };
  for (const child of profile.children) {
    if (child.name !== 'InitialFilterCriteria') {
      xml += readLatin1(reading.octets, run.start, run.end);
      run = { start: 0, end: 0 };
      continue;
    }
    if (++count > filterLimits.criteria) {
      reading.fail(`more than ${filterLimits.criteria} filter criteria`, child);
      break;
    }
    run = { start: run.end === 0 ? child.start : run.start, end: child.end };
    const criterion = readCriterion(child, reading, left);
    if (criterion !== null) criteria.push(criterion);
    if (reading.failure !== null) break;
  }
  return { criteria, xml: xml + readLatin1(reading.octets, run.start, run.end) };
}

function readCriterion(
  element: XmlElement,
  reading: ProfileReading,
  left: { triggers: number },
): FilterCriterion | null {
  const priority = numberOf(childOf(element, 'Priority'));
  const server = childOf(element, 'ApplicationServer');
  const applicationServer = server === null ? null : readServer(server, reading);
  if (priority === null || applicationServer === null) {
    reading.warn(`filter criterion without ${priority === null ? 'Priority' : 'ServerName'} was left out`);
    return null;
  }
  const point = childOf(element, 'TriggerPoint');
  const part = numberOf(childOf(element, 'ProfilePartIndicator'));
  return {
    priority,
    triggerPoint: point === null ? null : readTriggerPoint(point, priority, reading, left),
    applicationServer,
    profilePartIndicator: part === 0 || part === 1 ? part : null,
  };
}

function readServer(element: XmlElement, reading: ProfileReading): ApplicationServer | null {
  const serverName = textOf(element, 'ServerName');
  const serviceInfo = textOfExtended(element, 'ServiceInfo');
  if (serverName.length > filterLimits.serverName) reading.fail('a ServerName that is too long', element);
  if (serviceInfo.length > filterLimits.serviceInfo) reading.fail('a ServiceInfo that is too long', element);
  if (serverName === '') return null;
  const handling = childOf(element, 'DefaultHandling');
  return {
    serverName,
    defaultHandling: numberOf(handling) === 1 || trim(handling?.text ?? '') === 'SESSION_TERMINATED' ? 1 : 0,
    serviceInfo,
    includeRegisterRequest: presenceOf(extended(element, 'IncludeRegisterRequest')),
    includeRegisterResponse: presenceOf(extended(element, 'IncludeRegisterResponse')),
  };
}

function readTriggerPoint(
  element: XmlElement,
  priority: number,
  reading: ProfileReading,
  left: { triggers: number },
): TriggerPoint {
  const spts: ServicePointTrigger[] = [];
  for (const child of element.children) {
    if (child.name !== 'SPT') continue;
    if (spts.length === filterLimits.triggers || left.triggers === 0) {
      reading.fail('too many SPTs', child);
      break;
    }
    left.triggers--;
    const spt = readTrigger(child, reading);
    if (spt.kind === 'unknown') reading.warn(`criterion ${priority} has a condition that is not known, it never holds`);
    spts.push(spt);
  }
  return { cnf: flagOf(childOf(element, 'ConditionTypeCNF')), spts };
}

function readTrigger(element: XmlElement, reading: ProfileReading): ServicePointTrigger {
  const groups: number[] = [];
  const registrationTypes: number[] = [];
  let condition: XmlElement | null = null;
  for (const child of element.children) {
    if (child.name === 'Group') pushNumber(child, groups);
    else if (child.name === 'Extension') collectNumbers(child, 'RegistrationType', registrationTypes);
    else if (isCondition(child.name)) condition ??= child;
  }
  const most = filterLimits.groups;
  if (groups.length > most || registrationTypes.length > most) reading.fail('an SPT with too many groups', element);
  const base = {
    groups: groups.length > 0 ? groups : [0],
    negated: flagOf(childOf(element, 'ConditionNegated')),
    registrationTypes,
  };
  return { ...base, ...readCondition(condition, reading) };
}

type Condition<T> = T extends unknown ? Omit<T, 'groups' | 'negated' | 'registrationTypes'> : never;

function readCondition(element: XmlElement | null, reading: ProfileReading): Condition<ServicePointTrigger> {
  switch (element?.name) {
    case 'Method':
      return { kind: 'method', method: bounded(trim(element.text), element, reading) };
    case 'RequestURI':
      return { kind: 'request-uri', pattern: bounded(trim(element.text), element, reading) };
    case 'SIPHeader': {
      const header = bounded(textOf(element, 'Header'), element, reading);
      return header === '' ? { kind: 'unknown' } : { kind: 'sip-header', header, content: contentOf(element, reading) };
    }
    case 'SessionCase': {
      const sessionCase = numberOf(element);
      return sessionCase === null ? { kind: 'unknown' } : { kind: 'session-case', sessionCase };
    }
    case 'SessionDescription': {
      const line = bounded(textOf(element, 'Line'), element, reading);
      return line === ''
        ? { kind: 'unknown' }
        : { kind: 'session-description', line, content: contentOf(element, reading) };
    }
    default:
      return { kind: 'unknown' };
  }
}

function isCondition(name: string): boolean {
  return (
    name === 'Method' ||
    name === 'SessionCase' ||
    name === 'SIPHeader' ||
    name === 'RequestURI' ||
    name === 'SessionDescription'
  );
}

/** The pattern untouched, since blanks may belong to it; but those around a line end are layout. */
function contentOf(element: XmlElement, reading: ProfileReading): string | null {
  const content = childOf(element, 'Content');
  if (content === null) return null;
  const text = content.text.includes('\n') ? trim(content.text) : content.text;
  return bounded(text, content, reading);
}

function bounded(text: string, element: XmlElement, reading: ProfileReading): string {
  if (text.length > filterLimits.expression) reading.fail('an expression that is too long', element);
  return text;
}
