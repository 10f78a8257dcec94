import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Listener } from '#sip/transport/flow';
import { readTlsFiles } from '#sip/transport/tls-files';
import type { TlsSettings } from '#sip/transport/tls-security';
import type { ScalingRules } from '#workers/scaling';
import {
  type Endpoint,
  formatEndpoint,
  formatHostPort,
  isDomain,
  isFault,
  isWildcard,
  parseAdvertise,
  parseEndpoint,
} from './address.ts';
import { type ConfigProblem, problemAt } from './config-problem.ts';
import type {
  Config,
  DiameterConfig,
  HostEntry,
  IdentityConfig,
  PcscfConfig,
  SharedFilterSetConfig,
  SubscriberConfig,
} from './config-shape.ts';
import { type MapNode, nodeAt, positionOf } from './config-tree.ts';
import { resolveDiameter } from './diameter-config.ts';
import { type IpsecProblem, type RawIpsec, resolveIpsec, wantsIpsec } from './ipsec-config.ts';
import { resolvePcrfRules } from './pcrf-rules.ts';
import { loadSchema, type Role, type Schema } from './schema.ts';
import { checkSharedSets } from './shared-ifc-config.ts';
import { nearest } from './suggestion.ts';

type Data = Record<string, unknown>;
type Path = readonly string[];
type TlsPair = Pick<TlsSettings, 'certificate' | 'key' | 'ca'>;

/** The longest path of a Unix socket that the kernel takes, bytes. */
const maxSocketPath = 107;

/**
 * Turns data that passed the schema into the typed configuration: computed defaults, parsed addresses, absolute
 * paths; and checks what no schema can say, one key against another. Sections that already have problems (`earlier`)
 * are not judged again.
 *
 * Gives the configuration where neither finds anything.
 */
export function resolveConfig(
  tree: MapNode,
  role: Role,
  data: Data,
  file: string,
  earlier: readonly ConfigProblem[],
): { config?: Config; problems: ConfigProblem[] } {
  const resolver = new Resolver(tree, role, data, dirname(resolve(file)), earlier);
  const resolved = role === 'hss' ? resolver.hss() : role === 'pcrf' ? resolver.pcrf() : resolver.node();
  if (earlier.length > 0 || resolver.problems.length > 0) return { problems: resolver.problems };
  return { config: resolved as unknown as Config, problems: [] };
}

class Resolver {
  readonly problems: ConfigProblem[] = [];
  readonly #tree: MapNode;
  readonly #role: Role;
  readonly #data: Data;
  readonly #folder: string;
  readonly #faulty: ReadonlySet<string>;

  constructor(tree: MapNode, role: Role, data: Data, folder: string, earlier: readonly ConfigProblem[]) {
    this.#tree = tree;
    this.#role = role;
    this.#data = data;
    this.#folder = folder;
    this.#faulty = new Set(earlier.map(({ path }) => path.split('.', 1)[0]!));
  }

  node(): Data {
    const data = this.#data;
    // Hosts of URIs are compared in lower case.
    const homeDomain = String(data.homeDomain).toLowerCase();
    const name = String(data.name ?? `${this.#role}.${homeDomain}`);
    const common: Data = {
      ...this.#service(data),
      ...(data.homeDomain === undefined ? {} : { homeDomain }),
      name,
      hosts: this.#sound('hosts') ? resolveHosts(data.hosts as Data) : [],
    };
    common.listeners = this.#listeners(data);
    if (this.#sound('workers')) Object.assign(common, this.#workers(data.workers as number | ScalingRules));
    if (this.#sound('metrics') && data.metrics !== undefined) {
      common.metrics = { listen: parseEndpoint(String((data.metrics as Data).listen)) };
    }
    if (this.#sound('timers')) this.#timers(data.timers as Data);
    if (this.#sound('diameter')) common.diameter = this.#diameter(data.diameter as Data, name, homeDomain);
    if (this.#sound('store')) common.store = this.#store(data.store as Data);
    if (this.#sound('tls')) this.#tls(common.tls as unknown as TlsSettings);
    if (this.#role === 'pcscf') return this.#pcscf(common, homeDomain);
    if (common.diameter !== undefined && this.#sound('diameter'))
      this.#needsApplication(common.diameter as DiameterConfig, 'cx', ['diameter']);
    if (this.#sound('numbers')) common.numbers = this.#numbers(common.numbers as Data, homeDomain);
    if (this.#sound('routes')) {
      const routes = common.routes as { trustedDomains: readonly string[] };
      common.routes = { ...routes, trustedDomains: routes.trustedDomains.map((name) => name.toLowerCase()) };
    }
    if (this.#role === 'scscf') return this.#scscf(common);
    return common;
  }

  hss(): Data {
    const data = this.#data;
    const domain = String(data.domain);
    const service = this.#service(data);
    const hss: Data = { ...service, name: data.name ?? `hss.${domain}`, realm: data.realm ?? domain };
    if (this.#sound('listen')) hss.listen = parseEndpoint(String(data.listen));
    if (this.#sound('profiles')) this.#filesExist(hss.profiles as Data, ['profiles']);
    if (this.#sound('subscribers') && this.#sound('profiles')) {
      hss.subscribers = (data.subscribers as SubscriberConfig[]).map((subscriber, i) =>
        this.#subscriber(subscriber, i, hss.profiles as Data),
      );
    }
    return hss;
  }

  pcrf(): Data {
    const data = this.#data;
    const pcrf: Data = { ...this.#service(data), name: data.name ?? `pcrf.${String(data.realm)}` };
    if (this.#sound('listen')) pcrf.listen = parseEndpoint(String(data.listen));
    if (this.#sound('rules')) {
      const problem = (path: Path, message: string, suggestion: string) =>
        this.#problem(['rules', ...path], message, suggestion);
      pcrf.rules = resolvePcrfRules(data.rules as Data[], problem);
    }
    return pcrf;
  }

  /** A number of workers, or between which bounds it changes: then the fewest are there at first. */
  #workers(workers: number | ScalingRules): Data {
    if (typeof workers === 'number') return { workers };
    const { min, max, scaleUp } = workers;
    if (min > max) {
      const words = `min is ${min}, which is more than max, ${max}`;
      this.#problem(['workers', 'min'], words, `write 1 to ${max}`);
    }
    const { cycles = 1, window = cycles } = scaleUp ?? {};
    if (window < cycles) {
      const words = `there are no ${cycles} cycles in a window of ${window}`;
      this.#problem(['workers', 'scaleUp', 'window'], words, `write ${cycles} or more`);
    }
    return { workers: min, scaling: workers };
  }

  /** What every daemon has; paths of all sections made absolute. */
  #service(data: Data): Data {
    const absolute = this.#absolute(data, loadSchema(this.#role), []) as Data;
    if (!this.#sound('management')) return absolute;
    const management = absolute.management as Data;
    const socket = String(management.socket ?? resolve(this.#folder, 'var', `${this.#role}.sock`));
    if (Buffer.byteLength(socket) > maxSocketPath) {
      this.#problem(
        ['management', 'socket'],
        `the path ${socket} is longer than the ${maxSocketPath} bytes a socket may have`,
        'choose a shorter one, such as /run/cscf/NAME.sock',
      );
    }
    return { ...absolute, management: { socket, ...this.#managementHttp(management.http as Data | undefined) } };
  }

  /** HTTP beyond loopback needs a token. */
  #managementHttp(http: Data | undefined): Data {
    if (http === undefined) return {};
    const listen = parseEndpoint(String(http.listen)) as Endpoint;
    const loopback = listen.address.startsWith('127.') || listen.address === '::1';
    if (!loopback && http.token === undefined) {
      this.#problem(
        ['management', 'http'],
        `${formatEndpoint(listen)} can be reached from elsewhere, and there is no token`,
        `add token: "\${CSCF_TOKEN}", or listen on tcp:127.0.0.1:PORT`,
      );
    }
    return { http: { ...http, listen } };
  }

  #absolute(value: unknown, schema: Schema | undefined, path: Path): unknown {
    if (Array.isArray(value)) return value.map((item, i) => this.#absolute(item, schema?.items, [...path, String(i)]));
    if (typeof value === 'object' && value !== null) {
      const rest = typeof schema?.additionalProperties === 'object' ? schema.additionalProperties : undefined;
      const entries = Object.entries(value).map(([key, child]) => [
        key,
        this.#absolute(child, schema?.properties?.[key] ?? rest, [...path, key]),
      ]);
      return Object.fromEntries(entries);
    }
    return schema?.format === 'path' && typeof value === 'string' ? resolve(this.#folderOf(path), value) : value;
  }

  /** The folder of the file in which a value stands; of the main file for defaults and --set. */
  #folderOf(path: Path): string {
    const { file } = (nodeAt(this.#tree, path) ?? this.#tree).position;
    return file.startsWith('--set ') ? this.#folder : dirname(resolve(file));
  }

  #listeners(data: Data): readonly Listener[] {
    const merged = new Map<string, { sides: string[]; endpoint: Endpoint; sentBy: string; path: Path }>();
    // Shape and form are the schema's to judge; what is usable is checked against the rest even where some is not.
    for (const [side, list] of Object.entries((data.listeners ?? {}) as Data)) {
      if (!Array.isArray(list)) continue;
      (list as readonly (string | Data | null)[]).forEach((entry, i) => {
        const path = ['listeners', side, String(i)];
        const endpoint = parseEndpoint(typeof entry === 'object' ? String(entry?.listen) : String(entry));
        if (isFault(endpoint)) return;
        const sentBy = this.#sentBy(endpoint, typeof entry === 'object' ? entry : null, path);
        const key = formatEndpoint(endpoint);
        const known = merged.get(key);
        if (known === undefined) merged.set(key, { sides: [side], endpoint, sentBy, path });
        else if (known.sides.includes(side))
          this.#problem(path, `${key} is listed twice under ${side}`, 'remove one of the two');
        else if (known.sentBy !== sentBy)
          this.#problem(
            path,
            `${key} is advertised as ${known.sentBy} and as ${sentBy}`,
            'give both sides the same advertise',
          );
        else known.sides.push(side);
        if (endpoint.transport === 'tls' && data.tls === undefined) {
          this.#problem(path, 'a tls listener needs a certificate', 'add tls: { certificate: FILE, key: FILE }');
        }
      });
    }
    const all = [...merged.values()];
    for (const wild of all.filter(({ endpoint }) => isWildcard(endpoint.address))) {
      const covered = all.find((other) => other !== wild && overlaps(wild.endpoint, other.endpoint));
      if (covered === undefined) continue;
      this.#problem(
        covered.path,
        `${formatEndpoint(covered.endpoint)} is already covered by ${formatEndpoint(wild.endpoint)}`,
        'listen on single addresses, or on the wildcard alone',
      );
    }
    return all.map(({ sides, endpoint, sentBy }, index) => ({ index, sides, ...endpoint, sentBy }));
  }

  /** `entry`: null for the short form, in which the schema refuses wildcards. */
  #sentBy(endpoint: Endpoint, entry: Data | null, path: Path): string {
    const advertised = typeof entry?.advertise === 'string' ? parseAdvertise(entry.advertise) : undefined;
    if (advertised !== undefined && !isFault(advertised))
      return formatHostPort(advertised.host, advertised.port ?? endpoint.port);
    if (entry !== null && advertised === undefined && isWildcard(endpoint.address)) {
      this.#problem(
        path,
        `${endpoint.address} without advertise: Via and Record-Route would carry it, and no answer would come back`,
        'add advertise: HOST, by which others reach this node',
      );
    }
    return formatHostPort(endpoint.address, endpoint.port);
  }

  /** Reads the certificates once, so that `--check` tells what is wrong with them. */
  #tls(tls: TlsSettings): void {
    const pairs: [TlsPair, Path][] = [[tls, ['tls']]];
    tls.serverNames.forEach((pair, i) => {
      pairs.push([pair, ['tls', 'serverNames', String(i)]]);
    });
    const before = this.problems.length;
    for (const [{ certificate, key, ca }, path] of pairs) {
      this.#filesExist({ certificate, key, ...(ca === undefined ? {} : { ca }) }, path);
    }
    if (this.problems.length > before) return;
    const read = readTlsFiles(tls);
    if ('fault' in read) this.#problem(['tls', ...read.path], read.fault, read.suggestion);
  }

  #timers(timers: Data): void {
    for (const [path, profile] of [
      [['timers'], timers],
      [['timers', 'gm'], timers.gm],
    ] as [Path, Data | undefined][]) {
      if (profile !== undefined && Number(profile.t1) > Number(profile.t2)) {
        this.#problem(
          [...path, 't1'],
          `t1 (${profile.t1}) is larger than t2 (${profile.t2})`,
          't2 is the longest interval, t1 the first',
        );
      }
    }
  }

  #diameter(raw: Data, name: string, homeDomain: string): DiameterConfig {
    return resolveDiameter(raw, {
      name,
      homeDomain,
      application: this.#role === 'pcscf' ? 'rx' : 'cx',
      hasTls: this.#data.tls !== undefined,
      problem: (path, message, suggestion) => this.#problem(['diameter', ...path], message, suggestion),
    });
  }

  #needsApplication(diameter: DiameterConfig | undefined, application: 'cx' | 'rx', path: Path): void {
    if (diameter === undefined) {
      this.#problem(
        path,
        'a PCRF is to be asked, but there is no diameter section',
        'add diameter: { peers: [{ host: pcrf.ims.test, address: 127.0.0.1 }] }, or set rx: { mode: off }',
      );
    } else if (!diameter.realms.some((realm) => realm.application === application)) {
      const example = `{ realm: ${diameter.originRealm}, application: ${application}, peers: [${diameter.peers[0]?.host}] }`;
      this.#problem(path, `no realm in diameter.realms serves ${application}`, `add ${example}`);
    }
  }

  #store(raw: Data): Data {
    const path = this.#absolute(raw.path ?? resolve(this.#folder, 'var', this.#role), { format: 'path' }, [
      'store',
      'path',
    ]);
    const redis = raw.redis as Data | undefined;
    if (raw.type === 'memory' && this.#sound('workers')) this.#oneMemory();
    if (raw.type === 'redis' && redis === undefined) {
      this.#problem(
        ['store'],
        'a redis store needs to know where Redis is',
        'add redis: { url: "redis://127.0.0.1:6379" }',
      );
    }
    if (redis === undefined) return { ...raw, path };
    const prefix = redis.prefix ?? `cscf:${this.#role}:${String(this.#data.homeDomain).toLowerCase()}`;
    return { ...raw, path, redis: { ...redis, prefix } };
  }

  /** Each worker would have a memory of its own, and know only who registered by way of it. */
  #oneMemory(): void {
    const workers = this.#data.workers as number | ScalingRules;
    const most = typeof workers === 'number' ? workers : workers.max;
    if (most <= 1) return;
    this.#problem(
      ['store', 'type'],
      `a memory store is one worker's own, and there are ${typeof workers === 'number' ? '' : 'up to '}${most} workers`,
      'write type: lmdb, which all workers share, or workers: 1',
    );
  }

  #pcscf(common: Data, homeDomain: string): Data {
    const rx = common.rx as { mode: string } | undefined;
    const access = this.#sound('access') ? (common.access as { from: string; rx?: string; anchor?: string }[]) : [];
    const asked =
      this.#sound('rx') && rx?.mode !== 'off'
        ? ['rx', 'mode']
        : access.some((entry) => entry.rx !== undefined && entry.rx !== 'off')
          ? ['access']
          : undefined;
    if (asked !== undefined && !this.#faulty.has('diameter'))
      this.#needsApplication(common.diameter as DiameterConfig | undefined, 'rx', asked);
    access.forEach(({ from }, i) => {
      if (access.findIndex((other) => other.from === from) < i)
        this.#problem(['access', String(i), 'from'], `${from} is listed twice`, 'remove one of the two');
    });
    this.#checkSessionTimer(common);
    if (this.#sound('media')) common.media = this.#media(common.media as Data, access);
    return { ...common, ...this.#ipsec(common), visitedNetwork: common.visitedNetwork ?? homeDomain };
  }

  #media(raw: Data, access: readonly { readonly anchor?: string }[]): Data {
    const rtpengine = (raw.rtpengine as readonly string[]).map((text) => parseEndpoint(text)) as Endpoint[];
    rtpengine.forEach(({ transport }, i) => {
      if (transport !== 'udp')
        this.#problem(['media', 'rtpengine', String(i)], `rtpengine is asked over udp, not ${transport}`, 'write udp:');
    });
    const wanted = raw.anchor !== 'off' || access.some(({ anchor }) => anchor !== undefined && anchor !== 'off');
    if (wanted && rtpengine.length === 0)
      this.#problem(
        ['media'],
        'media is to be anchored, but there is no rtpengine',
        'add media: { rtpengine: ["udp:127.0.0.1:2223"] }, or set anchor: off',
      );
    return { ...raw, rtpengine };
  }

  /** `ipsec` and the listeners with the protected ones; without a profile that asks for it there are none. */
  #ipsec({ listeners }: Data): Data {
    if (!this.#sound('ipsec') || !this.#sound('access')) return {};
    if (!wantsIpsec(this.#data.access as PcscfConfig['access'])) return { ipsec: undefined };
    const problem: IpsecProblem = (path, message, suggestion) => this.#problem(['ipsec', ...path], message, suggestion);
    return { ...resolveIpsec(this.#data.ipsec as RawIpsec, listeners as readonly Listener[], problem) };
  }

  #numbers(raw: Data, homeDomain: string): Data {
    const lookup = raw.enum as { servers?: readonly string[] } | undefined;
    const dns = this.#data.dns as { servers?: readonly string[] } | undefined;
    if (lookup !== undefined && lookup.servers === undefined && dns?.servers?.length === 0) {
      this.#problem(
        ['numbers', 'enum'],
        'ENUM asks the DNS, but dns.servers is empty',
        'add numbers.enum.servers: [127.0.0.1:53], or leave dns.servers out',
      );
    }
    const rules = raw.dialPlan as readonly Data[];
    const dialPlan = rules.map((rule, i) => {
      const context = String(rule.context ?? homeDomain).toLowerCase();
      if (!isPhoneContext(context))
        this.#problem(
          ['numbers', 'dialPlan', String(i), 'context'],
          `"${context}" is no phone-context`,
          'write a domain such as ims.test, or the beginning of a number such as "+1-555"',
        );
      if (context.startsWith('+')) return { ...rule, context: context.replaceAll(/[-.()]/g, '') };
      return { ...rule, context: context === homeDomain.toLowerCase() ? '' : context };
    });
    return { ...raw, dialPlan };
  }

  #scscf(common: Data): Data {
    for (const part of ['registrar', 'regEvent']) {
      const { minExpires = 0, defaultExpires = 0, maxExpires = 0 } = common[part] as Record<string, number>;
      if (this.#sound(part) && !inOrder(minExpires, defaultExpires, maxExpires)) {
        this.#problem(
          [part],
          `${minExpires}, ${defaultExpires}, ${maxExpires} are not in order`,
          'minExpires <= defaultExpires <= maxExpires',
        );
      }
    }
    this.#checkSessionTimer(common);
    if (this.#sound('sharedIfcSets')) {
      checkSharedSets(common.sharedIfcSets as SharedFilterSetConfig[], (path, message, suggestion) =>
        this.#problem(['sharedIfcSets', ...path], message, suggestion),
      );
    }
    const first = (common.listeners as readonly Listener[] | undefined)?.[0];
    return { ...common, uri: common.uri ?? `sip:${first?.sentBy}` };
  }

  #checkSessionTimer({ sessionTimer }: Data): void {
    const { minSeconds, defaultSeconds, maxSeconds } = sessionTimer as Record<string, number>;
    if (!this.#sound('sessionTimer') || inOrder(minSeconds, defaultSeconds, maxSeconds)) return;
    this.#problem(
      ['sessionTimer'],
      `${minSeconds}, ${defaultSeconds}, ${maxSeconds} are not in order`,
      'minSeconds <= defaultSeconds <= maxSeconds',
    );
  }

  #subscriber(raw: SubscriberConfig, index: number, profiles: Data): SubscriberConfig {
    const path = ['subscribers', String(index)];
    if ((raw.impi === undefined) === (raw.range === undefined))
      this.#problem(
        path,
        'needs either impi or range',
        'impi: alice@ims.test is one user, range: { prefix: user%06d, count: 1000 } many',
      );
    if ((raw.op === undefined) === (raw.opc === undefined))
      this.#problem(path, 'needs either op or opc', 'a SIM card sheet says which of the two its value is');
    if (raw.range !== undefined && raw.impus !== undefined)
      this.#problem([...path, 'impus'], 'a range has no list of identities', 'range.tel adds a tel URI to each');
    if (raw.range !== undefined && raw.sets !== undefined)
      this.#problem([...path, 'sets'], 'a range has no list of identities', 'range.tel adds a tel URI to each');
    if (raw.range !== undefined && raw.subscription !== undefined)
      this.#problem([...path, 'subscription'], 'users of a range share no subscription', 'list them one by one');
    if (raw.scheme === 'SIP Digest' && raw.password === undefined)
      this.#problem([...path, 'scheme'], 'SIP Digest needs a password', 'add password, or leave scheme out');
    const profile = this.#profile(raw.profile, [...path, 'profile'], profiles);
    const sets = this.#implicitSets(raw, path, profiles);
    const first = sets?.[0]?.map(({ identity }) => identity);
    if (first !== undefined && raw.impus !== undefined && raw.impus.join() !== first.join())
      this.#problem([...path, 'impus'], 'differs from the first list in sets', 'leave impus out where sets is there');
    const impus = first ?? (raw.impi === undefined ? raw.impus : (raw.impus ?? [`sip:${raw.impi}`]));
    return {
      ...raw,
      profile,
      ...(impus === undefined ? {} : { impus }),
      ...(sets === undefined ? {} : { sets }),
    };
  }

  #implicitSets(raw: SubscriberConfig, path: Path, profiles: Data): readonly (readonly IdentityConfig[])[] | undefined {
    const written = raw.sets as readonly (readonly (IdentityConfig | string)[])[] | undefined;
    return written?.map((set, i) =>
      set.map((entry, j) => {
        const here = [...path, 'sets', String(i), String(j)];
        const identity = typeof entry === 'string' ? { identity: entry, service: false } : entry;
        if (identity.applicationServer !== undefined && !identity.service)
          this.#problem([...here, 'applicationServer'], 'is for service identities', 'add service: true');
        if (identity.profile === undefined) return identity;
        return { ...identity, profile: this.#profile(identity.profile, [...here, 'profile'], profiles) };
      }),
    );
  }

  /** The absolute path of a template: named among profiles, or a file. */
  #profile(name: string, path: Path, profiles: Data): string {
    const named = Object.hasOwn(profiles, name) ? String(profiles[name]) : undefined;
    const profile = named ?? resolve(this.#folderOf(path), name);
    if (named === undefined && !existsSync(profile)) {
      const near = nearest(name, Object.keys(profiles));
      const known = Object.keys(profiles).join(', ');
      this.#problem(
        path,
        `"${name}" is neither a name out of profiles nor a file`,
        near === undefined ? `profiles has: ${known || 'nothing'}` : `did you mean ${near}?`,
      );
    }
    return profile;
  }

  #filesExist(files: Data | undefined, path: Path): void {
    for (const [key, file] of Object.entries(files ?? {})) {
      if (!existsSync(String(file)))
        this.#problem([...path, key], `there is no file ${file}`, 'the path is relative to the configuration file');
    }
  }

  /** Whether a section is there and has passed so far. */
  #sound(section: string): boolean {
    return this.#data[section] !== undefined && !this.#faulty.has(section);
  }

  #problem(path: Path, message: string, suggestion: string): void {
    this.problems.push(problemAt(positionOf(this.#tree, path), path, message, suggestion));
  }
}

function inOrder(least = 0, middle = 0, most = 0): boolean {
  return least <= middle && middle <= most;
}

function overlaps(wild: Endpoint, other: Endpoint): boolean {
  const sameFamily = wild.address.includes(':') === other.address.includes(':');
  // A datagram socket and a stream one never collide; tcp and tls do.
  const sameKind = (wild.transport === 'udp') === (other.transport === 'udp');
  return sameFamily && sameKind && wild.port === other.port;
}

/** Source: RFC 3966 3. */
function isPhoneContext(text: string): boolean {
  return text.startsWith('+') ? /^\+[-.()]*[0-9][-.()0-9]*$/.test(text) : isDomain(text);
}

function resolveHosts(hosts: Data): HostEntry[] {
  return Object.entries(hosts as Record<string, readonly string[]>).map(([name, targets]) => ({
    name: name.toLowerCase(),
    targets: targets.flatMap((text) => {
      const endpoint = parseEndpoint(text);
      return isFault(endpoint) ? [] : [endpoint];
    }),
  }));
}
