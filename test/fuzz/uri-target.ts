import { ParseFailure } from '#sip/errors';
import { formatHost, isIpAddress, parseHostPort } from '#sip/uri/host-port';
import { Parameters, withoutParameter, withParameter } from '#sip/uri/parameters';
import { formatUri, parseUri } from '#sip/uri/uri';
import { uriEquals } from '#sip/uri/uri-equality';
import { formatUrn, parseUrn, serviceOf } from '#sip/uri/urn';
import { type FuzzTarget, hold, messageMs, shown } from './target.ts';

/** URIs of all schemes: what is written is read again, and equal; edits of parameters leave a URI. */
export function uriTarget(seeds: readonly string[]): FuzzTarget {
  return {
    name: 'parseUri',
    group: 'uri',
    weight: 10,
    limitMs: messageMs,
    seeds,
    run(input) {
      parseHostPort(input);
      isIpAddress(input);
      const uri = parseUri(input);
      if (uri instanceof ParseFailure) return;
      hold('a URI with a control character', !hasControl(input), () => shown(input));
      const text = formatUri(uri);
      const again = parseUri(text);
      if (again instanceof ParseFailure) {
        hold('a written URI is refused', text.length > 4096, () => `${shown(input)}, ${shown(text)}`);
        return;
      }
      hold('a written URI is another one', formatUri(again) === text, () => shown(text));
      hold('a URI does not equal itself', uriEquals(uri, again) && uriEquals(again, uri), () => shown(text));
      serviceOf(uri);
      if (uri.kind === 'other') {
        const urn = parseUrn(uri);
        const written = urn instanceof ParseFailure ? text : formatUrn(urn);
        hold('a written URN is another one', written.toLowerCase() === text.toLowerCase(), () => shown(text));
        return;
      }
      checkParameters(uri.parameters);
      if (uri.kind !== 'sip') return;
      const host = parseHostPort(formatHost(uri.host));
      hold('a host of a URI is none', !(host instanceof ParseFailure) && host.host === uri.host, () => shown(uri.host));
    },
  };
}

function checkParameters({ raw }: Parameters): void {
  for (const { name } of new Parameters(raw).entries()) {
    const without = new Parameters(withoutParameter(raw, name));
    hold('a parameter that was removed is there', !without.has(name), () => `${name} of ${shown(raw)}`);
  }
  const set = new Parameters(withParameter(raw, 'fuzz', 'x'));
  hold('a parameter that was set is not there', set.get('fuzz') === 'x', () => shown(raw));
  const twice = set.entries().filter(({ name }) => name.toLowerCase() === 'fuzz').length;
  hold('a parameter that was set is there twice', twice === 1, () => shown(raw));
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) <= 32 || text.charCodeAt(i) === 127) return true;
  return false;
}

/** Two URIs, separated by a line end: they are equal in both directions, or in none. */
export function uriPairTarget(seeds: readonly string[]): FuzzTarget {
  const pairs = seeds.flatMap((seed, i) => [`${seed}\n${seed}`, `${seed}\n${seeds[(i + 1) % seeds.length]}`]);
  return {
    name: 'uriEquals',
    group: 'uri',
    weight: 3,
    limitMs: messageMs,
    seeds: pairs,
    run(input) {
      const end = input.indexOf('\n');
      const a = parseUri(input.slice(0, Math.max(0, end)));
      const b = parseUri(input.slice(end + 1));
      if (a instanceof ParseFailure || b instanceof ParseFailure) return;
      hold('equality has a direction', uriEquals(a, b) === uriEquals(b, a), () => shown(input));
      hold('a URI does not equal itself', uriEquals(a, a) && uriEquals(b, b), () => shown(input));
    },
  };
}
