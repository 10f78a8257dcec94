import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeAnswer } from '#diameter/answer';
import { DiameterClient } from '#diameter/client';
import { decodeMessage } from '#diameter/codec/decode';
import { encodeMessage } from '#diameter/codec/encode';
import { CxClient } from '#diameter/cx/cx-client';
import { multimediaAuthAnswer, serverAssignmentAnswer, userAuthorizationAnswer } from '#diameter/cx/cx-server';
import { baseAvps, baseCommands, baseGroups } from '#diameter/dictionary/base';
import { cxApplication, cxAvps, cxCommands, cxDictionary, cxGroups, etsiAvps } from '#diameter/dictionary/cx';
import {
  type AvpDefinition,
  type CommandDefinition,
  createDictionary,
  withGroups,
} from '#diameter/dictionary/dictionary';
import { rxAvps, rxCommands, rxGroups } from '#diameter/dictionary/rx';
import { DecodeFailure } from '#diameter/errors';
import { baseResult, experimentalResult } from '#diameter/result';
import { exampleAnswer, exampleAvp, exampleRequest } from './example-messages.ts';

const identity = { originHost: 'scscf.ims.test', originRealm: 'ims.test' };
const hasTshark = spawnSync('tshark', ['--version']).status === 0;

/** A capture of TCP segments from port 40000 to 3868, each message whole in one. */
function capture(messages: readonly Buffer[]): Buffer {
  const file = Buffer.alloc(24);
  file.writeUInt32LE(0xa1b2c3d4, 0);
  file.writeUInt16LE(2, 4);
  file.writeUInt16LE(4, 6);
  file.writeUInt32LE(65535, 16);
  file.writeUInt32LE(101, 20);
  const packets: Buffer[] = [file];
  let sequence = 1;
  for (const message of messages) {
    const packet = Buffer.alloc(16 + 40 + message.length);
    packet.writeUInt32LE(40 + message.length, 8);
    packet.writeUInt32LE(40 + message.length, 12);
    packet.set([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1], 16);
    packet.writeUInt16BE(40 + message.length, 18);
    packet.writeUInt16BE(40000, 36);
    packet.writeUInt16BE(3868, 38);
    packet.writeUInt32BE(sequence, 40);
    packet.set([0x50, 0x18, 0xff, 0xff], 48);
    packet.set(message, 56);
    packets.push(packet);
    sequence += message.length;
  }
  return Buffer.concat(packets);
}

function samples(): Buffer[] {
  const sent: Buffer[] = [];
  const client = new DiameterClient(
    { send: (message) => sent.push(message), answer: () => undefined },
    { worker: 9, identity, dictionary: cxDictionary },
  );
  const cx = new CxClient(client, { homeRealm: 'ims.test', features: 1 });
  const impi = 'user@ims.test';
  const impu = 'sip:user@ims.test';
  const serverName = 'sip:scscf.ims.test:6060';
  void cx.userAuthorization({ impi, impu, visitedNetwork: 'v.test', type: 1, emergency: true });
  void cx.multimediaAuth({ impi, impu, serverName, scheme: 'Digest-AKAv1-MD5', resync: Buffer.alloc(30, 1) });
  void cx.serverAssignment({ impi, impus: [impu, 'tel:+1555'], serverName, type: 1, userDataAlreadyAvailable: false });
  void cx.locationInfo({ impu, originating: true, destinationHost: 'hss.ims.test' });
  client.stop();
  const contents = [
    userAuthorizationAnswer({
      result: experimentalResult(2001),
      capabilities: { mandatory: [1], optional: [2], serverNames: [serverName] },
    }),
    multimediaAuthAnswer({
      result: baseResult(2001),
      impi,
      items: [
        {
          itemNumber: 1,
          scheme: 'Digest-AKAv1-MD5',
          rand: Buffer.alloc(16, 1),
          autn: Buffer.alloc(16, 2),
          xres: Buffer.alloc(8, 3),
          ck: Buffer.alloc(16, 4),
          ik: Buffer.alloc(16, 5),
          digest: { realm: 'ims.test', algorithm: 'MD5', qop: 'auth', ha1: 'abc' },
        },
      ],
    }),
    serverAssignmentAnswer({
      result: baseResult(2001),
      impi,
      userData: '<IMSSubscription></IMSSubscription>',
      charging: { primaryCcf: 'aaa://ccf.ims.test', primaryEcf: 'aaa://ecf.ims.test' },
      associatedIdentities: [impi],
    }),
  ];
  const answers = contents.map((content, n) => {
    const request = decodeMessage(sent[n] ?? Buffer.alloc(0), cxDictionary);
    if (request instanceof DecodeFailure) throw new Error(request.reason);
    return encodeAnswer(request, cxApplication, identity, content);
  });
  return [...sent, ...answers];
}

/** What tshark makes of the messages, in full. */
function dissect(messages: readonly Buffer[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'diameter-'));
  try {
    const path = join(folder, 'sample.pcap');
    writeFileSync(path, capture(messages));
    return spawnSync('tshark', ['-r', path, '-V', '-O', 'diameter'], { encoding: 'utf8', maxBuffer: 2 ** 26 }).stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Names of tshark for AVPs that the standards call otherwise. */
const aliases = new Map([
  ['User-Data', 'Cx-User-Data'],
  ['Wildcarded-Public-Identity', 'Wildcarded-PSI'],
  ['Digest-QoP', 'Digest-Qop'],
]);
/** AVPs of vendor 10415 that some releases of tshark do not know. */
const newcomers: ReadonlySet<number> = new Set([549, 659, 2843]);

function nameFits({ code, name, vendor }: AvpDefinition, shown: string): boolean {
  if (shown === 'Unknown') return vendor === 10415 && newcomers.has(code);
  return [name, `3GPP-${name}`, aliases.get(name)].includes(shown);
}

describe.skipIf(!hasTshark)('tshark (skipped where it is not installed)', () => {
  it('D-01 D-17 finds nothing malformed or unknown in our messages', () => {
    const messages = samples();
    const stdout = dissect(messages);
    expect(stdout.match(/Diameter Protocol/g)).toHaveLength(messages.length);
    expect(stdout).not.toMatch(/malformed|expert info|unknown/i);
    for (const command of ['User-Authorization', 'Multimedia-Auth', 'Server-Assignment', 'Location-Info']) {
      expect(stdout).toContain(command);
    }
  });

  it('D-01 D-17 E.2 E.3 E.4 reads each AVP of the tables by our name, flags and length, in messages of every command', () => {
    const commands: readonly CommandDefinition[] = [
      ...Object.values(baseCommands),
      ...Object.values(cxCommands),
      ...Object.values(rxCommands),
    ];
    const rows = [baseAvps, cxAvps, etsiAvps, rxAvps].flatMap((table) => Object.values<AvpDefinition>(table));
    const dictionary = withGroups(createDictionary(baseAvps, cxAvps, etsiAvps, rxAvps), baseGroups, cxGroups, rxGroups);
    const header = { flags: 0xc0, command: 303, application: cxApplication.id, hopByHop: 1, endToEnd: 1 };
    const messages = [
      ...commands.flatMap((command) => [
        exampleRequest(command, dictionary),
        exampleAnswer(command, dictionary),
        exampleAnswer(command, dictionary, true),
      ]),
      encodeMessage(
        header,
        rows.map((row) => exampleAvp(row, dictionary)),
      ),
    ];
    const stdout = dissect(messages);
    expect(stdout.match(/Diameter Protocol/g)).toHaveLength(messages.length);
    expect(stdout).not.toMatch(/malformed/i);
    const complaints = [...stdout.matchAll(/Expert Info \(([^)]*)\): (.*)/g)].filter(
      ([, kind, words]) => kind !== 'Warning/Undecoded' || !newcomers.has(Number(/AVP (\d+)/.exec(words!)?.[1])),
    );
    expect(complaints.map(([whole]) => whole)).toEqual([]);

    const seen = new Set<AvpDefinition>();
    for (const [, name, code, flags, vendor] of stdout.matchAll(
      /^ *AVP: ([^\s(]+)\((\d+)\) l=\d+ f=(...)(?: vnd=(\S+))?/gm,
    )) {
      const id = vendor === undefined ? 0 : vendor === 'TGPP' ? 10415 : 13019;
      const definition = dictionary.find(Number(code), id);
      expect(definition, `${name} ${code}`).toBeDefined();
      if (definition === undefined) continue;
      expect(nameFits(definition, name!), `${definition.name} is ${name}`).toBe(true);
      expect(flags, definition.name).toBe(`${id === 0 ? '-' : 'V'}${definition.mandatory ? 'M' : '-'}-`);
      seen.add(definition);
    }
    expect(rows.filter((row) => !seen.has(row)).map(({ name }) => name)).toEqual([]);
  });
});
