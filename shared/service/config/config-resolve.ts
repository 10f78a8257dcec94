import { dirname, resolve } from 'node:path';
import type { Listener } from '#sip/transport/flow';
import type { TlsSettings } from '#sip/transport/tls-security';
import type { ScalingRules } from '#workers/scaling';
import { checkAccess } from './access-config.ts';
import { isFault, parseEndpoint } from './address.ts';
import { type ConfigProblem, problemAt, type ReportProblem } from './config-problem.ts';
import type { Config, DiameterConfig, HostEntry, SessionTimerConfig, TimersConfig } from './config-shape.ts';
import { type MapNode, nodeAt, positionOf } from './config-tree.ts';
import { resolveDiameter } from './diameter-config.ts';
import { type RawIpsec, resolveIpsec, wantsIpsec } from './ipsec-config.ts';
import { resolveListeners } from './listeners-config.ts';
import { type RawManagement, resolveManagement } from './management-config.ts';
import { type RawMedia, resolveMedia } from './media-config.ts';
import { checkFilesExist } from './named-files.ts';
import { type RawNumbers, resolveNumbers } from './numbers-config.ts';
import { resolvePcrfRules } from './pcrf-rules.ts';
import type { PcscfConfig } from './pcscf-config.ts';
import { loadSchema, type Role, type Schema } from './schema.ts';
import type { SharedFilterSetConfig } from './scscf-config.ts';
import { checkSharedSets } from './shared-ifc-config.ts';
import { type RawStore, resolveStore } from './store-config.ts';
import { type RawSubscriber, resolveSubscribers } from './subscribers-config.ts';
import { checkExpiry, checkSessionTimer, checkTimers, type Expiry } from './timers-config.ts';
import { checkTls } from './tls-config.ts';
import { resolveWorkers } from './workers-config.ts';

type Data = Record<string, unknown>;
type Path = readonly string[];

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

/** Goes from section to section of one configuration: the rules of each stand in a file named after it. */
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
    // Hosts of URIs are compared in lower case.
    const homeDomain = String(this.#data.homeDomain).toLowerCase();
    const common = this.#common(homeDomain);
    if (this.#role === 'pcscf') return this.#pcscf(common, homeDomain);
    const core = this.#core(common, homeDomain);
    return this.#role === 'scscf' ? this.#scscf(core) : core;
  }

  hss(): Data {
    const data = this.#data;
    const domain = String(data.domain);
    const service = this.#service();
    const hss: Data = { ...service, name: data.name ?? `hss.${domain}`, realm: data.realm ?? domain };
    if (this.#sound('listen')) hss.listen = parseEndpoint(String(data.listen));
    if (!this.#sound('profiles')) return hss;
    const profiles = hss.profiles as Record<string, string>;
    checkFilesExist(profiles, [], this.#below('profiles'));
    if (this.#sound('subscribers')) {
      hss.subscribers = resolveSubscribers(data.subscribers as RawSubscriber[], {
        profiles,
        folderOf: (path) => this.#folderOf(['subscribers', ...path]),
        problem: this.#below('subscribers'),
      });
    }
    return hss;
  }

  pcrf(): Data {
    const data = this.#data;
    const pcrf: Data = { ...this.#service(), name: data.name ?? `pcrf.${String(data.realm)}` };
    if (this.#sound('listen')) pcrf.listen = parseEndpoint(String(data.listen));
    if (this.#sound('rules')) pcrf.rules = resolvePcrfRules(data.rules as Data[], this.#below('rules'));
    return pcrf;
  }

  /** What every daemon has; paths of all sections made absolute. */
  #service(): Data {
    const absolute = this.#absolute(this.#data, loadSchema(this.#role), []) as Data;
    if (!this.#sound('management')) return absolute;
    const socket = resolve(this.#folder, 'var', `${this.#role}.sock`);
    const management = resolveManagement(absolute.management as RawManagement, socket, this.#below('management'));
    return { ...absolute, management };
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

  /** What the three CSCFs share. */
  #common(homeDomain: string): Data {
    const data = this.#data;
    const name = String(data.name ?? `${this.#role}.${homeDomain}`);
    const common: Data = {
      ...this.#service(),
      ...(data.homeDomain === undefined ? {} : { homeDomain }),
      name,
      hosts: this.#sound('hosts') ? resolveHosts(data.hosts as Data) : [],
    };
    const hasTls = data.tls !== undefined;
    common.listeners = resolveListeners((data.listeners ?? {}) as Data, hasTls, this.#below('listeners'));
    const workers = this.#sound('workers') ? (data.workers as number | ScalingRules) : undefined;
    if (workers !== undefined) Object.assign(common, resolveWorkers(workers, this.#below('workers')));
    if (this.#sound('metrics')) common.metrics = { listen: parseEndpoint(String((data.metrics as Data).listen)) };
    if (this.#sound('timers')) checkTimers(data.timers as TimersConfig, this.#below('timers'));
    if (this.#sound('diameter')) {
      common.diameter = resolveDiameter(data.diameter as Data, {
        name,
        homeDomain,
        application: this.#role === 'pcscf' ? 'rx' : 'cx',
        hasTls,
        problem: this.#below('diameter'),
      });
    }
    if (this.#sound('store')) {
      common.store = resolveStore(common.store as RawStore, {
        path: resolve(this.#folder, 'var', this.#role),
        prefix: `cscf:${this.#role}:${homeDomain}`,
        workers,
        problem: this.#below('store'),
      });
    }
    if (this.#sound('tls')) checkTls(common.tls as TlsSettings, this.#below('tls'));
    return common;
  }

  #pcscf(common: Data, homeDomain: string): Data {
    const access = this.#sound('access') ? (common.access as PcscfConfig['access']) : [];
    const asked = this.#whoAsksPcrf(access);
    if (asked !== undefined && !this.#faulty.has('diameter'))
      this.#needsApplication(common.diameter as DiameterConfig | undefined, 'rx', asked);
    checkAccess(access, this.#below('access'));
    this.#checkSessionTimer();
    if (this.#sound('media')) common.media = resolveMedia(common.media as RawMedia, access, this.#below('media'));
    return { ...common, ...this.#ipsec(common), visitedNetwork: common.visitedNetwork ?? homeDomain };
  }

  /** The key by which a PCRF is to be asked; undefined where none does. */
  #whoAsksPcrf(access: PcscfConfig['access']): Path | undefined {
    if (this.#sound('rx') && (this.#data.rx as PcscfConfig['rx']).mode !== 'off') return ['rx', 'mode'];
    return access.some(({ rx }) => rx !== undefined && rx !== 'off') ? ['access'] : undefined;
  }

  /** `ipsec` and the listeners with the protected ones; without a profile that asks for it there are none. */
  #ipsec({ listeners }: Data): Data {
    if (!this.#sound('ipsec') || !this.#sound('access')) return {};
    if (!wantsIpsec(this.#data.access as PcscfConfig['access'])) return { ipsec: undefined };
    return { ...resolveIpsec(this.#data.ipsec as RawIpsec, listeners as readonly Listener[], this.#below('ipsec')) };
  }

  /** What the I- and the S-CSCF share. */
  #core(common: Data, homeDomain: string): Data {
    if (this.#sound('diameter')) this.#needsApplication(common.diameter as DiameterConfig, 'cx', ['diameter']);
    if (this.#sound('numbers')) {
      common.numbers = resolveNumbers(common.numbers as RawNumbers, {
        homeDomain,
        dnsServers: (this.#data.dns as { servers?: readonly string[] } | undefined)?.servers,
        problem: this.#below('numbers'),
      });
    }
    if (this.#sound('routes')) {
      const routes = common.routes as { trustedDomains: readonly string[] };
      common.routes = { ...routes, trustedDomains: routes.trustedDomains.map((name) => name.toLowerCase()) };
    }
    return common;
  }

  #scscf(core: Data): Data {
    for (const part of ['registrar', 'regEvent']) {
      if (this.#sound(part)) checkExpiry(core[part] as Expiry, this.#below(part));
    }
    this.#checkSessionTimer();
    if (this.#sound('sharedIfcSets'))
      checkSharedSets(core.sharedIfcSets as SharedFilterSetConfig[], this.#below('sharedIfcSets'));
    const first = (core.listeners as readonly Listener[] | undefined)?.[0];
    return { ...core, uri: core.uri ?? `sip:${first?.sentBy}` };
  }

  #checkSessionTimer(): void {
    if (!this.#sound('sessionTimer')) return;
    checkSessionTimer(this.#data.sessionTimer as SessionTimerConfig, this.#below('sessionTimer'));
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

  /** Whether a section is there and has passed so far. */
  #sound(section: string): boolean {
    return this.#data[section] !== undefined && !this.#faulty.has(section);
  }

  /** Takes problems of a section, by their keys below it. */
  #below(section: string): ReportProblem {
    return (path, message, suggestion) => this.#problem([section, ...path], message, suggestion);
  }

  #problem(path: Path, message: string, suggestion: string): void {
    this.problems.push(problemAt(positionOf(this.#tree, path), path, message, suggestion));
  }
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
