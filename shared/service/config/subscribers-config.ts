import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ReportProblem } from './config-problem.ts';
import type { IdentityConfig, SubscriberConfig } from './hss-config.ts';
import { nearest } from './suggestion.ts';

type Path = readonly string[];

/** An entry as it passed the schema: profiles by name or file, identities in the short form too. */
export type RawSubscriber = Omit<SubscriberConfig, 'sets'> & {
  readonly sets?: readonly (readonly (IdentityConfig | string)[])[];
};

/** What the `subscribers` section is read against. */
export interface SubscribersSurroundings {
  /** Template names to absolute paths. */
  readonly profiles: Readonly<Record<string, string>>;
  /** The folder that a file named at `path`, which begins below `subscribers`, is relative to. */
  readonly folderOf: (path: Path) => string;
  /** Takes what is wrong; `path` begins below `subscribers`. */
  readonly problem: ReportProblem;
}

/**
 * Turns the `subscribers` of an HSS into their typed form: profiles as files, identities as implicit sets; and checks
 * of each one key against another.
 */
export function resolveSubscribers(
  raw: readonly RawSubscriber[],
  around: SubscribersSurroundings,
): readonly SubscriberConfig[] {
  return raw.map((subscriber, i) => resolveSubscriber(subscriber, [String(i)], around));
}

function resolveSubscriber(raw: RawSubscriber, path: Path, around: SubscribersSurroundings): SubscriberConfig {
  checkKeys(raw, path, around.problem);
  const { sets: written, ...rest } = raw;
  const profile = fileOfProfile(raw.profile, [...path, 'profile'], around);
  const sets = written?.map((set, i) =>
    set.map((entry, j) => resolveIdentity(entry, [...path, 'sets', String(i), String(j)], around)),
  );
  const first = sets?.[0]?.map(({ identity }) => identity);
  if (first !== undefined && raw.impus !== undefined && raw.impus.join() !== first.join()) {
    const words = 'differs from the first list in sets';
    around.problem([...path, 'impus'], words, 'leave impus out where sets is there');
  }
  const impus = first ?? (raw.impi === undefined ? raw.impus : (raw.impus ?? [`sip:${raw.impi}`]));
  return {
    ...rest,
    profile,
    ...(impus === undefined ? {} : { impus }),
    ...(sets === undefined ? {} : { sets }),
  };
}

/** Which keys go together. */
function checkKeys(raw: RawSubscriber, path: Path, problem: ReportProblem): void {
  if ((raw.impi === undefined) === (raw.range === undefined)) {
    problem(
      path,
      'needs either impi or range',
      'impi: alice@ims.test is one user, range: { prefix: user%06d, count: 1000 } many',
    );
  }
  if ((raw.op === undefined) === (raw.opc === undefined))
    problem(path, 'needs either op or opc', 'a SIM card sheet says which of the two its value is');
  if (raw.range !== undefined) checkRange(raw, path, problem);
  if (raw.scheme === 'SIP Digest' && raw.password === undefined)
    problem([...path, 'scheme'], 'SIP Digest needs a password', 'add password, or leave scheme out');
}

/** What is of single users alone. */
function checkRange({ impus, sets, subscription }: RawSubscriber, path: Path, problem: ReportProblem): void {
  if (impus !== undefined)
    problem([...path, 'impus'], 'a range has no list of identities', 'range.tel adds a tel URI to each');
  if (sets !== undefined)
    problem([...path, 'sets'], 'a range has no list of identities', 'range.tel adds a tel URI to each');
  if (subscription !== undefined)
    problem([...path, 'subscription'], 'users of a range share no subscription', 'list them one by one');
}

function resolveIdentity(entry: IdentityConfig | string, path: Path, around: SubscribersSurroundings): IdentityConfig {
  const identity: IdentityConfig = typeof entry === 'string' ? { identity: entry, service: false } : entry;
  const { applicationServer, profile, service } = identity;
  if (applicationServer !== undefined && !service)
    around.problem([...path, 'applicationServer'], 'is for service identities', 'add service: true');
  if (profile === undefined) return identity;
  return { ...identity, profile: fileOfProfile(profile, [...path, 'profile'], around) };
}

/** The absolute path of a template: named among profiles, or a file. */
function fileOfProfile(name: string, path: Path, { folderOf, problem, profiles }: SubscribersSurroundings): string {
  if (Object.hasOwn(profiles, name)) return profiles[name]!;
  const file = resolve(folderOf(path), name);
  if (!existsSync(file)) {
    const near = nearest(name, Object.keys(profiles));
    const known = Object.keys(profiles).join(', ');
    problem(
      path,
      `"${name}" is neither a name out of profiles nor a file`,
      near === undefined ? `profiles has: ${known || 'nothing'}` : `did you mean ${near}?`,
    );
  }
  return file;
}
