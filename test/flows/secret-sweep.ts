import { subscribe } from 'node:diagnostics_channel';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { type UsimKeys, usimKeysChannel } from '#lab/ue/usim';

/** CK and IK that phones of this process have agreed on, hexadecimal. */
const agreed = new Set<string>();
subscribe(usimKeysChannel, (message) => {
  const { ck, ik } = message as UsimKeys;
  agreed.add(ck.toString('hex')).add(ik.toString('hex'));
});

/** CK and IK that phones of this process have agreed on so far, hexadecimal. */
export function agreedKeys(): readonly string[] {
  return [...agreed];
}

/** Removes the folder of a lab that is over; throws when CK or IK of a phone of this process stands in one of its files. */
export function sweepAway(folder: string): void {
  const sweep = new SecretSweep();
  sweep.addFiles(folder);
  rmSync(folder, { recursive: true, force: true });
  const found = sweep.find(agreed);
  if (found.length > 0) throw new Error(`CK or IK stands in ${found.join(', ')}`);
}

/** A key is looked for by its halves, so that one that is cut short is found as well. */
const half = 8;

interface Form {
  readonly name: string;
  readonly text: string;
  /** Hexadecimal may be written in either case. */
  readonly anyCase: boolean;
}

/** How somebody who did not mean to may write octets. */
function formsOf(octets: Buffer): Form[] {
  const raw = octets.toString('latin1');
  const hex = octets.toString('hex');
  const pairs = hex.match(/../g)!;
  const numbers = [...octets];
  const exact = (name: string, text: string): Form => ({ name, text, anyCase: false });
  const inHex = (name: string, text: string): Form => ({ name, text, anyCase: true });
  return [
    exact('octets', raw),
    exact('octets as UTF-8', Buffer.from(raw, 'utf8').toString('latin1')),
    exact('octets as JSON', JSON.stringify(raw).slice(1, -1)),
    inHex('hexadecimal', hex),
    inHex('hexadecimal', pairs.join(' ')),
    inHex('hexadecimal', pairs.join(':')),
    exact('a list of numbers', numbers.join(',')),
    exact('a list of numbers', numbers.join(', ')),
    ...base64Forms(octets).flatMap((text) => [
      exact('base64', text),
      exact('base64url', text.replaceAll('+', '-').replaceAll('/', '_')),
    ]),
  ];
}

/** What stands in base64 wherever these octets begin in what is encoded, without the letters that others have a part of. */
function base64Forms(octets: Buffer): string[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), octets]).toString('base64');
    const last = Math.floor(((before + octets.length) * 8) / 6);
    return text.slice(before === 0 ? 0 : before + 1, last);
  });
}

/** Everything that nodes and phones have put out, and whether keys are in it. */
export class SecretSweep {
  readonly #outputs: { readonly place: string; readonly text: string }[] = [];

  /** How much there is, octets. */
  get size(): number {
    return this.#outputs.reduce((sum, { text }) => sum + text.length, 0);
  }

  get places(): readonly string[] {
    return this.#outputs.map(({ place }) => place);
  }

  add(place: string, content: Buffer | string): void {
    const octets = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
    if (octets.length > 0) this.#outputs.push({ place, text: octets.toString('latin1') });
  }

  /** A value as it would be printed. */
  addJson(place: string, value: unknown): void {
    this.add(place, JSON.stringify(value) ?? '');
  }

  /** All files of a folder as they are; gives their names. */
  addFiles(folder: string): string[] {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    const files = names.filter((name) => statSync(join(folder, name)).isFile());
    for (const name of files) this.add(name, readFileSync(join(folder, name)));
    return files;
  }

  /** The same, and what databases among them hold. */
  async addFolder(folder: string): Promise<void> {
    for (const name of this.addFiles(folder)) {
      if (name.endsWith('data.mdb')) await this.#addStore(join(folder, name, '..'), name);
    }
  }

  /** Where which of these keys (hexadecimal) stand, in words; none: they are nowhere. */
  find(keys: Iterable<string>): string[] {
    const forms = [...new Set(keys)].flatMap((key) => {
      const octets = Buffer.from(key, 'hex');
      return [octets.subarray(0, half), octets.subarray(half)].flatMap(formsOf);
    });
    const found = new Set<string>();
    for (const { place, text } of this.#outputs) {
      const lower = text.toLowerCase();
      for (const form of forms) {
        if ((form.anyCase ? lower : text).includes(form.text)) found.add(`${place}: ${form.name}`);
      }
    }
    return [...found];
  }

  /** Records as the store gives them, however the file holds them. */
  async #addStore(path: string, name: string): Promise<void> {
    const root = open<Buffer, Buffer>({ path, readOnly: true, encoding: 'binary', keyEncoding: 'binary', maxDbs: 64 });
    try {
      // A table cannot be opened while these are walked through.
      const tables = [...root.getKeys()].map((key) => Buffer.from(key).toString('latin1').replaceAll('\0', ''));
      for (const table of tables) {
        const db = root.openDB<Buffer, Buffer>(table, { encoding: 'binary', keyEncoding: 'binary' });
        const records = [...(db?.getRange() ?? [])].flatMap(({ key, value }) => [Buffer.from(key), Buffer.from(value)]);
        this.add(`${name} ${table}, ${records.length / 2} records`, Buffer.concat(records));
      }
    } finally {
      await root.close();
    }
  }
}
