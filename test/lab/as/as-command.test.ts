import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Sight, sightTrace, sightWords } from '#lab/as/sight';
import { UdpPeer } from '../../torture/raw-peer.ts';
import { body, field, head, heard, text } from './as-rig.ts';

const lab = fileURLToPath(new URL('../../../bin/lab', import.meta.url));
let scscf: UdpPeer;
const running: ChildProcess[] = [];
beforeEach(async () => {
  scscf = await UdpPeer.open('127.0.0.1');
});
afterEach(async () => {
  for (const child of running.splice(0)) child.kill('SIGTERM');
  await scscf.close();
});

/** Runs `lab as`; its lines, and what it ends with. */
function runAs(...words: string[]) {
  const child = spawn(lab, ['as', ...words, '--scscf', `127.0.0.1:${scscf.port}`]);
  running.push(child);
  let output = '';
  let told = () => {};
  child.stdout!.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    told();
  });
  const code = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const line = async (fits: (line: string) => boolean): Promise<string> => {
    for (;;) {
      const found = output.split('\n').find(fits);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => (told = resolve));
    }
  };
  return { child, code, line };
}

function answer(request: string, status: string): string {
  const names = ['Via', 'From', 'To', 'Call-ID', 'CSeq'];
  const fields = Object.fromEntries(names.map((name) => [name, field(request, name)]));
  return text(`SIP/2.0 ${status}`, { ...fields, To: `${fields.To};tag=b` });
}

const options = (port: string) =>
  text('OPTIONS sip:bob@ims.test SIP/2.0', {
    Via: `SIP/2.0/UDP 127.0.0.1:${scscf.port};branch=z9hG4bK1`,
    Route: `<sip:failing@127.0.0.1:${port};status=404;lr>`,
    'Max-Forwards': '70',
    From: '<sip:alice@ims.test>;tag=a',
    To: '<sip:bob@ims.test>',
    'Call-ID': 'o-1',
    CSeq: '1 OPTIONS',
    'P-Served-User': '<sip:alice@ims.test>;sescase=orig',
  });

describe('bin/lab as', () => {
  it('S-97 serves, prints a line for each message, and ends with 0', async () => {
    const { child, code, line } = runAs('--listen', '127.0.0.1:0');
    const ready = await line((each) => each.startsWith('ready as listen=127.0.0.1:'));
    const port = /listen=127\.0\.0\.1:(\d+)/.exec(ready)![1]!;
    await scscf.send(options(port), { address: '127.0.0.1', port: Number(port) });
    expect(head(await heard(scscf, '404'))).toBe('404 Not Found');
    const from = `127.0.0.1:${scscf.port}`;
    expect((await line((each) => each.includes(' < '))).slice(13)).toBe(
      `< ${from} OPTIONS sip:bob@ims.test as failing for <sip:alice@ims.test>;sescase=orig  [o-1]`,
    );
    expect((await line((each) => each.includes(' > '))).slice(13)).toBe(`> ${from} 404 Not Found (OPTIONS)  [o-1]`);
    child.kill('SIGTERM');
    expect(await code).toBe(0);
  });

  it('S-81 writes in the name of a user, with JSON lines and an exit code by success', async () => {
    const sent = runAs('message', 'sip:alice@ims.test', 'sip:bob@ims.test', 'hello', '--json');
    const request = await heard(scscf, 'MESSAGE');
    expect(body(request)).toBe('hello');
    const to = { address: '127.0.0.1', port: Number(/127\.0\.0\.1:(\d+)/.exec(field(request, 'Via'))![1]) };
    await scscf.send(answer(request, '200 OK'), to);
    const noted = JSON.parse(await sent.line((each) => each.includes('"note"'))) as { note: string };
    expect(noted.note).toBe('delivered: 200 OK');
    const seen = JSON.parse(await sent.line((each) => each.includes('"MESSAGE"'))) as Sight;
    expect(seen).toMatchObject({ dir: 'out', kind: 'request', uri: 'sip:bob@ims.test' });
    expect(await sent.code).toBe(0);
  });

  it('S-81 says that a call was refused', async () => {
    const made = runAs('call', 'sip:alice@ims.test', 'sip:bob@ims.test');
    const request = await heard(scscf, 'INVITE');
    const to = { address: '127.0.0.1', port: Number(/127\.0\.0\.1:(\d+)/.exec(field(request, 'Via'))![1]) };
    await scscf.send(answer(request, '486 Busy Here'), to);
    expect((await made.line((each) => each.includes('not answered'))).slice(13)).toBe('not answered: 486 Busy Here');
    expect(await made.code).toBe(1);
  });
});

it('what cannot be read is told in one line as well', () => {
  const seen: Sight[] = [];
  const flow = { listener: 0, transport: 'udp', address: '::1', port: 5060, connection: 0 } as const;
  sightTrace(
    (sight) => seen.push(sight),
    () => null,
  ).sip('in', 'nonsense\r\n\r\n', flow);
  expect(seen[0]).toMatchObject({ kind: 'broken', peer: '[::1]:5060' });
  expect(sightWords(seen[0]!)).toContain('< [::1]:5060 broken message: ');
});
