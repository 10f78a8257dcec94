import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeAnswer } from '#diameter/answer';
import { DiameterClient } from '#diameter/client';
import { decodeMessage } from '#diameter/codec/decode';
import { CxClient } from '#diameter/cx/cx-client';
import { multimediaAuthAnswer, serverAssignmentAnswer, userAuthorizationAnswer } from '#diameter/cx/cx-server';
import { cxApplication, cxDictionary } from '#diameter/dictionary/cx';
import { DecodeFailure } from '#diameter/errors';
import { baseResult, experimentalResult } from '#diameter/result';

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

describe.skipIf(!hasTshark)('tshark (skipped where it is not installed)', () => {
  it('D-01 D-17 finds nothing malformed or unknown in our messages', () => {
    const folder = mkdtempSync(join(tmpdir(), 'diameter-'));
    try {
      const messages = samples();
      const path = join(folder, 'sample.pcap');
      writeFileSync(path, capture(messages));
      const { stdout } = spawnSync('tshark', ['-r', path, '-V', '-O', 'diameter'], { encoding: 'utf8' });
      expect(stdout.match(/Diameter Protocol/g)).toHaveLength(messages.length);
      expect(stdout).not.toMatch(/malformed|expert info|unknown/i);
      for (const command of ['User-Authorization', 'Multimedia-Auth', 'Server-Assignment', 'Location-Info']) {
        expect(stdout).toContain(command);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
