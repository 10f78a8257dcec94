import type { DiameterRoute } from '../client.ts';
import type { AvpList } from '../codec/avp-list.ts';
import { baseAvps } from '../dictionary/base.ts';
import { isDiameterIdentity } from '../identity.ts';

/** Where a redirect answer sends a request. */
export interface RedirectTarget {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

const DEFAULT_PORT = 3868;
const DEFAULT_TLS_PORT = 5658;
const MAX_TARGETS = 8;
const MAX_CACHED = 64;
const MAX_CACHE_SECONDS = 3600;

/** Redirect-Host-Usage. Source: RFC 6733 6.13. */
const ALL_REALM = 2;
const REALM_AND_APPLICATION = 3;

/**
 * Reads a DiameterURI, `aaa://host[:port][;transport=tcp][;protocol=diameter]`; undefined when it is none, or of a
 * transport or protocol that we do not speak. Source: RFC 6733 4.3.1.
 */
export function parseDiameterUri(text: string): RedirectTarget | undefined {
  const tls = text.slice(0, 7).toLowerCase() === 'aaas://';
  if (!tls && text.slice(0, 6).toLowerCase() !== 'aaa://') return undefined;
  const [authority = '', ...parameters] = text.slice(tls ? 7 : 6).split(';', 8);
  for (const parameter of parameters) {
    const [name, value] = parameter.toLowerCase().split('=', 2);
    if (name === 'transport' && value !== 'tcp') return undefined;
    if (name === 'protocol' && value !== 'diameter') return undefined;
  }
  const colon = authority.lastIndexOf(':');
  const host = colon < 0 ? authority : authority.slice(0, colon);
  const port = colon < 0 ? (tls ? DEFAULT_TLS_PORT : DEFAULT_PORT) : decimal(authority.slice(colon + 1));
  return isDiameterIdentity(host) && port > 0 && port < 65536 ? { host, port, tls } : undefined;
}

/** The hosts that a redirect answer names, in order; those that cannot be are left out. Source: RFC 6733 6.12. */
export function redirectTargets(answer: AvpList): RedirectTarget[] {
  return answer
    .texts(baseAvps.redirectHost)
    .slice(0, MAX_TARGETS)
    .flatMap((text) => parseDiameterUri(text) ?? []);
}

/**
 * Routes learnt from redirect answers: for a realm, or a realm and application, until their time is over. Other usages
 * count for the one request only. Source: RFC 6733 6.13, 6.14; requirement D-22.
 */
export class RedirectCache {
  readonly #routes = new Map<string, { readonly host: string; readonly untilMs: number }>();

  /** Keeps what an answer says of further requests to `route`, which was redirected to `host`. */
  learn(answer: AvpList, route: DiameterRoute, host: string, nowMs: number): void {
    const usage = answer.integer32(baseAvps.redirectHostUsage);
    const seconds = Math.min(answer.unsigned32(baseAvps.redirectMaxCacheTime) ?? 0, MAX_CACHE_SECONDS);
    if ((usage !== ALL_REALM && usage !== REALM_AND_APPLICATION) || seconds === 0) return;
    const key = usage === ALL_REALM ? realmKey(route) : applicationKey(route);
    this.#routes.delete(key);
    if (this.#routes.size >= MAX_CACHED)
      for (const oldest of [...this.#routes.keys()].slice(0, 1)) this.#routes.delete(oldest);
    this.#routes.set(key, { host, untilMs: nowMs + seconds * 1000 });
  }

  /** The host that requests without a Destination-Host go to at the moment. */
  find(route: DiameterRoute, nowMs: number): string | undefined {
    if (this.#routes.size === 0) return undefined;
    const found = this.#routes.get(applicationKey(route)) ?? this.#routes.get(realmKey(route));
    return found !== undefined && found.untilMs > nowMs ? found.host : undefined;
  }
}

function realmKey({ realm }: DiameterRoute): string {
  return realm.toLowerCase();
}

function applicationKey(route: DiameterRoute): string {
  return `${realmKey(route)} ${route.application}`;
}

/** Digits alone, as a number; -1 for anything else. */
function decimal(text: string): number {
  if (text.length === 0 || text.length > 5) return -1;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x30 || text.charCodeAt(i) > 0x39) return -1;
  return Number(text);
}
