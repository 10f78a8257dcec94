import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RegInfo } from '#ims/reginfo';
import { readRegInfo } from '#ims/reginfo-read';
import type { OrderOutcome } from '#lab/hss/server-orders';
import { callManagement } from '#manage/management-client';
import { ParseFailure } from '#sip/errors';
import { tagOf } from '#sip/header/name-addr';
import { createResponse } from '#sip/message/create';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { writeMessage } from '#sip/message/write';
import { parseMessage } from '#sip/parser/parse-message';
import { flowFrom } from '../sip/wire-port.ts';
import { RawUe, verdictIn } from '../torture/raw-ue.ts';
import { ResilientLab } from './resilient-lab.ts';

const hasSipp = spawnSync('sipp', ['-v']).error === undefined;
const hasTshark = spawnSync('tshark', ['--version']).status === 0;
if (!hasSipp) console.log('sipp is not installed (Debian: sip-tester): its test is skipped');
if (!hasTshark) console.log('tshark is not installed (Debian: tshark): its test is skipped');

/** A NOTIFY that a phone has heard and answered. */
interface Notice {
  readonly text: string;
  readonly request: SipRequest;
  readonly state: string;
  readonly document: RegInfo;
}

/** A phone that watches its own registration. */
class Watcher {
  readonly ue: RawUe;
  #toTag = '';
  #target = '';
  #routes: string[] = [];
  #callId = '';
  #cseq = 1;
  #seen = 0;

  private constructor(ue: RawUe) {
    this.ue = ue;
  }

  static async register(lab: ResilientLab, number: number): Promise<Watcher> {
    const ue = await RawUe.open({ address: lab.config.address, port: lab.config.ports.gm }, number);
    await ue.register();
    return new Watcher(ue);
  }

  /** Subscribes; gives the 200. */
  async subscribe(): Promise<string> {
    const { address, port } = this.ue.peer;
    const request = this.ue.request('SUBSCRIBE', this.ue.impu, {
      ...asked,
      From: `<${this.ue.impu}>;tag=w`,
      Contact: `<sip:${address}:${port}>`,
    });
    const answer = await this.ue.ask(request);
    const parsed = parseMessage(answer ?? '', flowFrom(address, port));
    if (parsed.kind !== 'response' || parsed.status !== 200) throw new Error(`not accepted: ${answer}`);
    this.#callId = request.callId;
    this.#toTag = tagOf(parsed.headers.get(Header.To)!);
    this.#target = parsed.headers.get(Header.Contact)!.slice(1, -1);
    this.#routes = parsed.headers.values(Header['Record-Route']).reverse();
    return answer!;
  }

  /** A SUBSCRIBE in the dialog; gives its answer. */
  async refresh(expires = '600000'): Promise<string | null> {
    const { address, port } = this.ue.peer;
    const { text } = this.ue.request(
      'SUBSCRIBE',
      this.#target,
      {
        ...asked,
        Expires: expires,
        From: `<${this.ue.impu}>;tag=w`,
        To: `<${this.ue.impu}>;tag=${this.#toTag}`,
        'Call-ID': this.#callId,
        CSeq: `${++this.#cseq} SUBSCRIBE`,
        Contact: `<sip:${address}:${port}>`,
      },
      this.#routes.map((route) => `Route: ${route}`),
    );
    return this.ue.ask({ text, callId: this.#callId });
  }

  /** The next NOTIFY, answered; null after some seconds. Retransmissions are answered as well. */
  async next(): Promise<Notice | null> {
    for (;;) {
      const text = await this.ue.peer.next((each) => each.startsWith('NOTIFY '));
      if (text === null) return null;
      const request = parseMessage(text, flowFrom(this.ue.proxy.address, this.ue.proxy.port));
      if (request.kind !== 'request') throw new Error(text);
      await this.ue.send(writeMessage(createResponse(request, 200, '')));
      const cseq = Number.parseInt(request.headers.get(Header.CSeq)!, 10);
      if (cseq <= this.#seen) continue;
      this.#seen = cseq;
      const document = readRegInfo(Buffer.from(request.body, 'latin1'));
      if (document instanceof ParseFailure) throw new Error(document.reason);
      return { text, request, state: request.headers.get(Header['Subscription-State'])!, document };
    }
  }

  close(): Promise<unknown> {
    return this.ue.close();
  }
}

const asked = { Event: 'reg', Accept: 'application/reginfo+xml', Expires: '600000' };
const inWords = (notice: Notice | null) =>
  notice === null
    ? 'nothing'
    : `${notice.document.version} ${notice.state.split(';expires')[0]} ${notice.document.registrations[0]!.contacts.map(
        ({ state, event }) => `${state}/${event}`,
      ).join(' ')}`;

describe('a phone that watches its registration', () => {
  let lab: ResilientLab;
  beforeAll(async () => {
    lab = await ResilientLab.start({ workers: 1 });
  });
  afterAll(() => lab?.stop());

  it('S-60 S-61 S-62 S-64 S-65 S-67 is told of what happens to it, to the end', async () => {
    const watcher = await Watcher.register(lab, 11);
    await watcher.subscribe();
    expect(inWords(await watcher.next())).toBe('0 active active/registered');
    await watcher.ue.register();
    expect(inWords(await watcher.next())).toBe('1 active active/refreshed');
    expect(verdictIn(await watcher.refresh())).toBe('200');
    expect(inWords(await watcher.next())).toBe('2 active active/refreshed');
    await watcher.ue.register({ Expires: '0' });
    expect(inWords(await watcher.next())).toBe('3 terminated;reason=noresource terminated/unregistered');
    expect(verdictIn(await watcher.refresh())).toMatch(/^(403|481)/);
    await watcher.close();
  }, 30_000);

  it('S-42 S-63 X-R2 is told with the next version after the S-CSCF was killed and started anew', async () => {
    const watcher = await Watcher.register(lab, 12);
    await watcher.subscribe();
    expect(inWords(await watcher.next())).toBe('0 active active/registered');
    await lab.kill('scscf');
    await lab.startNode('scscf');
    await watcher.ue.register();
    expect(inWords(await watcher.next())).toBe('1 active active/refreshed');
    await watcher.refresh('0');
    expect(inWords(await watcher.next())).toBe('2 terminated;reason=timeout active/refreshed');
    await watcher.close();
  }, 30_000);

  it('S-64 S-71 is told when the HSS ends the registration', async () => {
    const watcher = await Watcher.register(lab, 13);
    await watcher.subscribe();
    await watcher.next();
    const rtr = { impi: watcher.ue.impi, reason: 'permanent' };
    const outcome = (await callManagement(join(lab.folder, 'hss.sock'), 'hss.rtr', rtr)) as OrderOutcome;
    expect(outcome).toMatchObject({ done: true, code: 2001 });
    expect(inWords(await watcher.next())).toBe('1 terminated;reason=noresource terminated/rejected');
    await watcher.close();
  }, 30_000);

  it('S-43 S-64 is told when the network asks for authentication', async () => {
    const watcher = await Watcher.register(lab, 18);
    await watcher.subscribe();
    await watcher.next();
    const order = ['--socket', join(lab.folder, 'scscf.sock'), 'reauthenticate', watcher.ue.impu];
    const { stdout } = spawnSync(fileURLToPath(new URL('../../bin/cscfctl', import.meta.url)), order, {
      encoding: 'utf8',
    });
    expect(stdout).toBe('contacts shortened: 1\n');
    expect(inWords(await watcher.next())).toBe('1 active active/shortened');
    await watcher.close();
  }, 30_000);

  it('S-60 X-I16 nobody watches another user', async () => {
    const [victim, mallory] = [await Watcher.register(lab, 14), await Watcher.register(lab, 15)];
    const { address, port } = mallory.ue.peer;
    const claims = { 'P-Asserted-Identity': `<${victim.ue.impu}>`, 'P-Preferred-Identity': `<${victim.ue.impu}>` };
    const request = mallory.ue.request('SUBSCRIBE', victim.ue.impu, {
      ...asked,
      ...claims,
      Contact: `<sip:${address}:${port}>`,
    });
    expect(verdictIn(await mallory.ue.ask(request))).toBe('403 may-not-watch');
    await Promise.all([victim.close(), mallory.close()]);
  }, 30_000);

  it.skipIf(!hasTshark)(
    'S-62 S-63 tshark reads the NOTIFY, and finds nothing wrong in it',
    async () => {
      const watcher = await Watcher.register(lab, 16);
      await watcher.subscribe();
      const notice = (await watcher.next())!;
      const folder = mkdtempSync(join(tmpdir(), 'cscf-notify-'));
      const file = join(folder, 'notify.pcap');
      writeFileSync(file, datagrams([notice.text]));
      const { stdout } = spawnSync('tshark', ['-r', file, '-V'], { encoding: 'utf8' });
      rmSync(folder, { recursive: true });
      expect(stdout).toContain('Session Initiation Protocol (NOTIFY)');
      const xml = stdout.split('eXtensible Markup Language')[1];
      expect(xml).toContain('xmlns="urn:ietf:params:xml:ns:reginfo"');
      expect(xml).toContain(`aor="${watcher.ue.impu}"`);
      expect(stdout).not.toMatch(/malformed|Expert Info/i);
      await watcher.close();
    },
    30_000,
  );

  it.skipIf(!hasSipp)(
    'S-61 S-62 SIPp watches as a phone does',
    async () => {
      const watcher = await Watcher.register(lab, 17);
      const { port } = watcher.ue.peer;
      await watcher.close();
      const scenario = fileURLToPath(new URL('../fixtures/sipp/watch.xml', import.meta.url));
      const folder = mkdtempSync(join(tmpdir(), 'cscf-sipp-'));
      const child = spawn(
        'sipp',
        [
          `127.0.0.1:${lab.config.ports.gm}`,
          ...['-sf', scenario, '-i', '127.0.0.1', '-p', String(port), '-m', '3', '-r', '10', '-nostdin'],
          ...['-timeout', '15s', '-timeout_error', '-key', 'user', 'user000017', '-key', 'domain', lab.config.domain],
        ],
        { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
      );
      let errors = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
      const exitCode = await new Promise((resolve) => child.once('close', resolve));
      rmSync(folder, { recursive: true, force: true });
      expect({ exitCode, errors: errors.slice(-600) }).toMatchObject({ exitCode: 0 });
    },
    30_000,
  );
});

describe('two workers of the S-CSCF', () => {
  let lab: ResilientLab;
  beforeAll(async () => {
    lab = await ResilientLab.start({ workers: 2, reader: 'dedicated' });
  });
  afterAll(() => lab?.stop());

  it('S-43 S-62 S-63 tell each change once and in order, whichever of them made it, also when one of them has died', async () => {
    const watchers = await Promise.all(Array.from({ length: 12 }, (_, i) => Watcher.register(lab, 20 + i)));
    await Promise.all(watchers.map((watcher) => watcher.subscribe()));
    const first = await Promise.all(watchers.map((watcher) => watcher.next()));
    expect(new Set(first.map(inWords))).toEqual(new Set(['0 active active/registered']));
    // A REGISTER has a Call-ID of its own each time here, so either worker may serve it.
    for (const version of [1, 2, 3]) {
      if (version === 3) await lab.trigger('scscf', 0, 'crash');
      await Promise.all(watchers.map((watcher) => watcher.ue.register()));
      const told = await Promise.all(watchers.map((watcher) => watcher.next()));
      expect(new Set(told.map(inWords))).toEqual(new Set([`${version} active active/refreshed`]));
    }
    for (const { ue } of watchers) {
      const order = { impu: ue.impu, seconds: 300 };
      expect(await callManagement(join(lab.folder, 'scscf.sock'), 'reauthenticate', order)).toBe(1);
    }
    const shortened = await Promise.all(watchers.map((watcher) => watcher.next()));
    expect(new Set(shortened.map(inWords))).toEqual(new Set(['4 active active/shortened']));
    await Promise.all(watchers.map((watcher) => watcher.ue.register({ Expires: '0' })));
    const last = await Promise.all(watchers.map((watcher) => watcher.next()));
    expect(new Set(last.map(inWords))).toEqual(new Set(['5 terminated;reason=noresource terminated/unregistered']));
    await Promise.all(watchers.map((watcher) => watcher.close()));
  }, 60_000);
});

/** A capture of datagrams from and to port 5060, one message each. */
function datagrams(messages: readonly string[]): Buffer {
  const file = Buffer.alloc(24);
  file.writeUInt32LE(0xa1b2c3d4, 0);
  file.writeUInt16LE(2, 4);
  file.writeUInt16LE(4, 6);
  file.writeUInt32LE(65535, 16);
  file.writeUInt32LE(101, 20);
  const packets = [file];
  for (const text of messages) {
    const message = Buffer.from(text, 'latin1');
    const packet = Buffer.alloc(16 + 28 + message.length);
    packet.writeUInt32LE(28 + message.length, 8);
    packet.writeUInt32LE(28 + message.length, 12);
    packet.set([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1], 16);
    packet.writeUInt16BE(28 + message.length, 18);
    packet.writeUInt16BE(5060, 36);
    packet.writeUInt16BE(5060, 38);
    packet.writeUInt16BE(8 + message.length, 40);
    packet.set(message, 44);
    packets.push(packet);
  }
  return Buffer.concat(packets);
}
