import {
  parseDigest,
  withParameter as withDigestParameter,
  withoutParameter as withoutDigestParameter,
} from '#sip/auth/digest';
import { ParseFailure } from '#sip/errors';
import { isNetworkProvided, withoutNetworkProvided } from '#sip/header/access-network-info';
import { contactWithExpires, parseContact } from '#sip/header/contact';
import { parseFeatures } from '#sip/header/feature-set';
import { firstListValue, splitListValues } from '#sip/header/list-values';
import { parametersStart, tagOf } from '#sip/header/name-addr';
import { parseClipped, parseDecimal } from '#sip/header/number-value';
import { hasTag, withoutTag, withTag } from '#sip/header/option-tags';
import {
  formatIpsecMechanism,
  parseIpsecMechanism,
  parseSecurityMechanisms,
  sameSecurityFields,
} from '#sip/header/security-mechanism';
import { isToken, quote, tokenOrQuoted, unquote } from '#sip/header/token';
import { parseVia, readSentBy, withReceived } from '#sip/header/via';
import { makeLine } from '#sip/message/header-list';
import { parseHeaderParameters } from '#sip/uri/parameters';
import { type Grammar, grammarsOf, wasTaken } from './grammar-functions.ts';
import { hashOf, Random } from './random.ts';
import { Broken, type FuzzTarget, hold, messageMs, shown } from './target.ts';

/** What a header value never holds when it reaches a reader: the message layer has unfolded it. */
function asValue(input: string): string {
  let value = '';
  for (const c of input.slice(0, 16_384)) value += c === '\r' || c === '\n' ? ' ' : c;
  return value;
}

/** Read, written, read again: the same, and nothing in it that would end a line. */
export function checkGrammar({ read, write }: Grammar, input: string): void {
  const value = read(input);
  if (write === null || !wasTaken(value)) return;
  const text = write(value);
  hold('a written value holds a line end', !text.includes('\r') && !text.includes('\n'), () => shown(text));
  const again = read(text);
  if (again instanceof ParseFailure) throw new Broken('a written value is refused', `${again.reason}: ${shown(text)}`);
  hold('a written value says something else', write(again) === text, () => `${shown(text)}, ${shown(write(again))}`);
}

function grammarTarget(grammar: Grammar, group: 'headers' | 'uri' | 'sdp', seeds: readonly string[]): FuzzTarget {
  return {
    name: grammar.name,
    group,
    weight: 1,
    limitMs: messageMs,
    seeds,
    run: (input) => checkGrammar(grammar, asValue(input)),
  };
}

/** Functions on header values beside the plain readers, with what is true of them. */
const others: Readonly<Record<string, (value: string) => void>> = {
  lists(value) {
    const split = splitListValues(value);
    const first = firstListValue(value);
    if (split instanceof ParseFailure || split.length === 0) return;
    hold('two first values of a list', split[0] === first.value, () => shown(value));
    const again = splitListValues(split.join(', '));
    hold('a joined list is another one', !(again instanceof ParseFailure) && again.join('\0') === split.join('\0'));
  },
  via(value) {
    const via = parseVia(value);
    const sentBy = readSentBy(value);
    if (via instanceof ParseFailure) {
      if (sentBy !== null) withReceived(value, '1.2.3.4', 5060);
      return;
    }
    hold('sent-by is read two ways', sentBy !== null && sentBy.host === via.host && sentBy.port === via.port);
    const stamped = parseVia(withReceived(value, '1.2.3.4', 5060));
    if (stamped instanceof ParseFailure) throw new Broken('a Via with received is refused', shown(value));
    hold('received is not what was written', stamped.received === '1.2.3.4', () => shown(value));
    hold('rport is not what was written', via.rport < 0 || stamped.rport === 5060, () => shown(value));
    hold('a stamped Via has another branch', stamped.branch === via.branch, () => shown(value));
  },
  contact(value) {
    const contact = parseContact(value);
    const text = contactWithExpires(value, 77);
    if (contact instanceof ParseFailure) return;
    const again = parseContact(text);
    hold('a contact with expires is none', !(again instanceof ParseFailure) && again.expires === 77, () => shown(text));
  },
  tags(value) {
    tagOf(value);
    parametersStart(value);
    const without = withoutTag(value, 'path');
    const many = value.split(',').length > 100;
    hold('a tag that was removed is there', many || !hasTag([without], 'path'), () => shown(value));
    hold('a tag that was added is not there', many || hasTag([withTag(value, 'path')], 'path'), () => shown(value));
  },
  quoting(value) {
    const quoted = quote(value);
    makeLine('X', tokenOrQuoted(value));
    const printable = [...value].every((c) => c >= ' ' && c !== '\x7f');
    hold('quoting changes a text', !printable || unquote(quoted) === value, () => shown(value));
    isToken(value);
    unquote(value);
  },
  numbers(value) {
    for (const max of [0, 255, 0x7fffffff, 0xffffffff]) {
      const exact = parseDecimal(value, max);
      const clipped = parseClipped(value, max);
      if (exact instanceof ParseFailure) continue;
      hold('a number out of its range', exact >= 0 && exact <= max && clipped === exact, () => shown(value));
    }
  },
  networkProvided(value) {
    const without = withoutNetworkProvided(value);
    hold('a claim of the network is left', without === '' || !isNetworkProvided(without), () => shown(value));
  },
  parameters(value) {
    const parameters = parseHeaderParameters(value, 0);
    if (parameters instanceof ParseFailure) return;
    const again = parseHeaderParameters(parameters.raw, 0);
    hold('parameters are refused the second time', !(again instanceof ParseFailure), () => shown(value));
    const names = parameters.entries().map(({ name }) => name);
    for (const name of names) hold('a parameter is not found', parameters.has(name), () => shown(value));
  },
  ipsec: checkIpsec,
  features(value) {
    const parameters = parseHeaderParameters(value, 0);
    if (!(parameters instanceof ParseFailure)) parseFeatures(parameters);
  },
  digest(value) {
    const digest = parseDigest(value);
    const without = withoutDigestParameter(value, 'integrity-protected');
    if (without instanceof ParseFailure) {
      hold('credentials are read but cannot be edited', digest instanceof ParseFailure, () => shown(value));
      return;
    }
    const left = parseDigest(without);
    const claim = !(left instanceof ParseFailure) && left.has('integrity-protected');
    hold('a claim of integrity is left', !claim, () => shown(value));
    const added = withDigestParameter(value, 'integrity-protected', 'no', true);
    if (added instanceof ParseFailure) throw new Broken('credentials cannot be edited', shown(value));
    const read = parseDigest(added);
    const said = read instanceof ParseFailure || read.get('integrity-protected') === 'no';
    hold('what was added to credentials is not there', said, () => shown(added));
    makeLine('Authorization', added);
  },
};

function checkIpsec(value: string): void {
  const mechanisms = parseSecurityMechanisms([value]);
  if (mechanisms instanceof ParseFailure) return;
  hold('fields differ from themselves', sameSecurityFields([value], [value]), () => shown(value));
  for (const mechanism of mechanisms) {
    const ipsec = parseIpsecMechanism(mechanism);
    if (ipsec instanceof ParseFailure) continue;
    const text = formatIpsecMechanism(ipsec, mechanism.q);
    const again = parseSecurityMechanisms([text]);
    const read = again instanceof ParseFailure || again.length !== 1 ? null : parseIpsecMechanism(again[0]!);
    hold('a written mechanism is another one', JSON.stringify(read) === JSON.stringify(ipsec), () => shown(text));
  }
}

const seedsOfOne = 250;

/** Some of the values: those a reader takes first, then others by chance, always the same ones. */
function chooseSeeds(values: readonly string[], name: string, isGood: (value: string) => boolean): readonly string[] {
  const random = new Random(hashOf(name));
  const good = values.filter(isGood);
  const late = Math.max(0, good.length - seedsOfOne);
  const from = random.below(late + 1);
  return Array.from({ length: seedsOfOne }, (_, i) =>
    i < good.length && i % 4 > 0 ? good[from + i]! : random.pick(values),
  );
}

/** Words in the values that the other functions are about. */
const about: Readonly<Record<string, string>> = {
  via: 'SIP/2.0/',
  contact: '<',
  networkProvided: '3GPP',
  ipsec: 'ipsec',
  features: '="',
  digest: 'Digest',
};

/** All that reads header values, URIs in detail and lines of SDP. */
export async function headerTargets(values: readonly string[]): Promise<readonly FuzzTarget[]> {
  const targets: FuzzTarget[] = [];
  const some = ({ name, read }: Grammar) => chooseSeeds(values, name, (value) => wasTaken(read(asValue(value))));
  for (const grammar of await grammarsOf('header')) targets.push(grammarTarget(grammar, 'headers', some(grammar)));
  for (const grammar of await grammarsOf('uri')) targets.push(grammarTarget(grammar, 'uri', some(grammar)));
  for (const grammar of await grammarsOf('sdp')) targets.push(grammarTarget(grammar, 'sdp', some(grammar)));
  for (const [name, check] of Object.entries(others)) {
    const run = (input: string) => check(asValue(input));
    const seeds = chooseSeeds(values, name, (value) => value.includes(about[name] ?? ';'));
    targets.push({ name: `header ${name}`, group: 'headers', weight: 1, limitMs: messageMs, seeds, run });
  }
  return targets;
}
