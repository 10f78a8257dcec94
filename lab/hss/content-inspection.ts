import type { DiameterMessage } from '#diameter/codec/message';
import { serverAssignmentTypes as types } from '#diameter/cx/cx-requests';
import { baseAvps } from '#diameter/dictionary/base';
import { cxApplication, cxAvps, cxCommands } from '#diameter/dictionary/cx';
import type { AvpDefinition, CommandDefinition } from '#diameter/dictionary/dictionary';
import { resultCodes } from '#diameter/errors';
import { ParseFailure } from '#sip/errors';
import { parseUri } from '#sip/uri/uri';
import type { Finding } from '../diameter/finding.ts';
import { hasControl } from '../diameter/request-inspection.ts';
import { isDeregistration } from './assign-server.ts';
import { reduceImpu } from './subscriber-table.ts';

const STATE_MAINTAINED = 0;
const RAND_AND_AUTS = 30;
const schemes = ['digest-akav1-md5', 'digest-akav2-md5', 'sip digest', 'unknown'];
/** Schemes that exist, but are not for an HSS without line identifiers and addresses. */
const otherSchemes = ['nass-bundled', 'early-ims-security', 'gprs-ims-bundled'];

const texts = [baseAvps.userName, cxAvps.publicIdentity, cxAvps.serverName] as const;

type Avps = DiameterMessage['avps'];

/** What is wrong with what the AVPs of a request say. Source: TS 29.228 7, TS 29.229 6.3. */
export function contentFindings({ avps }: DiameterMessage, command: CommandDefinition): Finding[] {
  const findings: Finding[] = [];
  const wrong: Wrong = (id, words, definition, index = 0) =>
    findings.push({
      id,
      words,
      resultCode: resultCodes.INVALID_AVP_VALUE,
      failedAvp: avps.encoded(definition)[index],
    });
  checkCommon(avps, wrong);
  checkIdentities(avps, wrong);
  checkTexts(avps, wrong);
  if (command === cxCommands.userAuthorization && avps.text(cxAvps.visitedNetworkIdentifier) === '') {
    wrong('visited-network', 'Visited-Network-Identifier is empty', cxAvps.visitedNetworkIdentifier);
  }
  if (command === cxCommands.serverAssignment) findings.push(...assignmentFindings(avps));
  if (command === cxCommands.multimediaAuth) findings.push(...authenticationFindings(avps, wrong));
  return findings;
}

type Wrong = (id: string, words: string, definition: AvpDefinition, index?: number) => void;

function checkCommon(avps: Avps, wrong: Wrong): void {
  const application = avps.grouped(baseAvps.vendorSpecificApplicationId);
  if (application !== undefined) {
    const vendor = application.unsigned32(baseAvps.vendorId);
    const id = application.unsigned32(baseAvps.authApplicationId);
    if (vendor !== cxApplication.vendor || id !== cxApplication.id || application.has(baseAvps.acctApplicationId)) {
      const words = `Vendor-Specific-Application-Id is ${vendor} and ${id}, of Cx ${cxApplication.vendor} and ${cxApplication.id}`;
      wrong('application-id', words, baseAvps.vendorSpecificApplicationId);
    }
  }
  const state = avps.integer32(baseAvps.authSessionState);
  if (state === STATE_MAINTAINED) {
    wrong('auth-session-state', 'Auth-Session-State is STATE_MAINTAINED, of Cx never', baseAvps.authSessionState);
  }
}

function checkIdentities(avps: Avps, wrong: Wrong): void {
  for (const [index, impu] of avps.texts(cxAvps.publicIdentity).entries()) {
    const uri = parseUri(impu);
    if (uri instanceof ParseFailure || (uri.kind !== 'sip' && uri.kind !== 'tel')) {
      wrong('public-identity', `Public-Identity is no SIP or tel URI: ${impu}`, cxAvps.publicIdentity, index);
    } else if (reduceImpu(impu) !== impu) {
      const words = `Public-Identity is not in canonical form: ${impu} instead of ${reduceImpu(impu)}`;
      wrong('public-identity-form', words, cxAvps.publicIdentity, index);
    }
  }
  for (const [index, name] of avps.texts(cxAvps.serverName).entries()) {
    const uri = parseUri(name);
    if (!(uri instanceof ParseFailure) && uri.kind === 'sip') continue;
    wrong('server-name', `Server-Name is no SIP URI: ${name}`, cxAvps.serverName, index);
  }
  const impi = avps.text(baseAvps.userName);
  if (impi !== undefined && (impi.startsWith('sip:') || impi.indexOf('@') < 1 || impi.includes(' '))) {
    wrong('user-name', `User-Name is no private identity, user@realm: ${impi}`, baseAvps.userName);
  }
}

/** Texts that end up in logs, keys and files have no NUL or other control characters. */
function checkTexts(avps: Avps, wrong: Wrong): void {
  for (const definition of texts) {
    for (const [index, text] of avps.texts(definition).entries()) {
      if (hasControl(text)) wrong('control-octets', `${definition.name} has control characters`, definition, index);
    }
  }
}

/** How many identities a SAR names. Source: TS 29.228 6.1.2, table 6.1.2.1. */
function assignmentFindings(avps: Avps): Finding[] {
  const findings: Finding[] = [];
  const type = avps.integer32(cxAvps.serverAssignmentType);
  const impus = avps.encoded(cxAvps.publicIdentity);
  const named = avps.has(baseAvps.userName);
  const missing = (words: string) =>
    findings.push({ id: 'missing-identity', words, resultCode: resultCodes.MISSING_AVP });
  if (type === undefined) return findings;
  if (!named && impus.length === 0) missing('neither User-Name nor Public-Identity');
  else if (!named && type !== types.NO_ASSIGNMENT && type !== types.UNREGISTERED_USER) {
    missing(`no User-Name with assignment type ${type}`);
  }
  if (isDeregistration(type)) return findings;
  if (named && impus.length === 0) missing(`no Public-Identity with assignment type ${type}`);
  if (impus.length > 1) {
    const words = `${impus.length} Public-Identity with assignment type ${type}`;
    const resultCode = resultCodes.AVP_OCCURS_TOO_MANY_TIMES;
    findings.push({ id: 'too-many-identities', words, resultCode, failedAvp: impus[1] });
  }
  return findings;
}

/** Source: TS 29.228 6.3.1, tables 6.3.1 to 6.3.3. */
function authenticationFindings(avps: Avps, wrong: Wrong): Finding[] {
  const findings: Finding[] = [];
  const item = avps.grouped(cxAvps.sipAuthDataItem);
  if (avps.unsigned32(cxAvps.sipNumberAuthItems) === 0) {
    wrong('no-items-wanted', 'SIP-Number-Auth-Items is 0', cxAvps.sipNumberAuthItems);
  }
  if (item === undefined) return findings;
  const scheme = item.text(cxAvps.sipAuthenticationScheme);
  if (scheme === undefined) {
    findings.push({
      id: 'missing-avp',
      words: 'SIP-Authentication-Scheme is missing in SIP-Auth-Data-Item',
      resultCode: resultCodes.MISSING_AVP,
      failedAvp: avps.encoded(cxAvps.sipAuthDataItem)[0],
    });
  } else if (!schemes.includes(scheme.toLowerCase()) && !otherSchemes.includes(scheme.toLowerCase())) {
    // Answered with a result of its own, DIAMETER_ERROR_AUTH_SCHEME_NOT_SUPPORTED.
    findings.push({ id: 'unknown-scheme', words: `SIP-Authentication-Scheme ${scheme} is in no table` });
  }
  const resync = item.octets(cxAvps.sipAuthorization);
  if (resync !== undefined && resync.length !== RAND_AND_AUTS) {
    const words = `SIP-Authorization has ${resync.length} octets, RAND and AUTS have ${RAND_AND_AUTS}`;
    wrong('auts-length', words, cxAvps.sipAuthDataItem);
  }
  return findings;
}
