import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rxCommands } from '#diameter/dictionary/rx';
import { baseResult, experimentalResult } from '#diameter/result';
import type { AaService } from '#diameter/rx/rx-requests';
import { aaAnswer, reAuthAnswer, rxAnswer, sessionTerminationAnswer } from '#diameter/rx/rx-server';
import { defaultRxServiceOptions, mediaService, signallingService } from '#nodes/pcscf/rx-services';
import { componentsOf, from } from '../../nodes/pcscf/media-components-harness.ts';
import { capture } from '../capture.ts';
import { rxPair } from './rx-pair.ts';

const hasTshark = spawnSync('tshark', ['--version']).status === 0;

const options = {
  ...defaultRxServiceOptions,
  features: 3,
  calledStationId: 'ims',
  mediaActions: [2, 4, 9, 12],
  requiredAccessInfo: [0, 1],
  tellsRequestType: true,
  provisionsFlows: true,
};
const user = { address: '10.46.0.5', impus: ['sip:001010000000001@ims.test'] };
const user6 = { ...user, address: '2001:db8::5' };

function mediaCall(): AaService {
  const lines = (port: number, ...way: string[]) => [
    `m=audio ${port} RTP/AVP 104`,
    'b=AS:41',
    'b=RS:0',
    'b=RR:2000',
    'a=rtpmap:104 AMR-WB/16000/1',
    ...way,
    `m=message ${port + 2} TCP/MSRP *`,
    `m=image ${port + 4} udptl t38`,
  ];
  const before = componentsOf(from('10.46.0.5', ...lines(6000), 'm=video 6010 RTP/AVP 96'), null);
  const { components } = componentsOf(
    from('10.46.0.5', ...lines(6000, 'a=recvonly'), 'm=video 0 RTP/AVP 96'),
    from('2001:db8::9', ...lines(7000, 'a=sendonly'), 'm=video 0 RTP/AVP 96'),
    before,
  );
  const facts = { user, components, service: 'urn:urn-7:3gpp-service.ims.icsi.mmtel', icid: 'icid-0a1b2c' };
  const service = mediaService({ ...facts, isPreliminary: true, dialogs: 'several', serviceUrn: 'sos' }, options);
  return { ...service, mpsIdentifier: 'mps', reservationPriority: 1 };
}

/** Every command and answer, each with all that we ever put into it. */
async function samples(): Promise<Buffer[]> {
  const { af, pcrf, pcscf, server, wire } = rxPair(7);
  const accessNetwork = { ipCanType: 5, ratType: 1004, anGwAddresses: ['10.9.0.1'], userLocationTime: 1_760_000_000 };
  const { mediaComponents } = mediaCall();
  const answers = [
    aaAnswer({
      result: baseResult(2001),
      accessCharging: [{ value: Buffer.from('acr'), flows: [{ componentNumber: 1, flowNumbers: [1] }] }],
      accessChargingAddress: '10.9.0.2',
      accessNetwork,
      flows: [{ componentNumber: 1, flowNumbers: [] }],
      supportedFeatures: [{ listId: 1, features: 1 }],
      classes: [Buffer.from('class')],
      originStateId: 5,
    }),
    aaAnswer({
      result: experimentalResult(5063),
      acceptable: { mediaComponents, maxUplink: 1000, maxDownlink: 2000 },
      retryInterval: 5,
    }),
  ];
  pcrf.handle(rxCommands.aa, () => answers.shift() ?? rxAnswer(2001));
  pcrf.handle(rxCommands.sessionTermination, () =>
    sessionTerminationAnswer({ result: baseResult(2001), accessNetwork, classes: [Buffer.from('class')] }),
  );
  pcscf.handle(rxCommands.reAuth, () => reAuthAnswer(baseResult(2001), mediaComponents));
  pcscf.handle(rxCommands.abortSession, () => rxAnswer(5002));
  const sessionId = af.newSessionId();
  const path = { ueAddress: user.address, uePort: 50600, ownAddress: '10.46.0.1', ownPort: 6100 };
  await af.authorize({ ...mediaCall(), sessionId });
  await af.authorize({ ...signallingService(user6, path, options), sessionId, destinationHost: 'pcrf.epc.test' });
  await af.terminate({ sessionId, classes: [Buffer.from('class')], requiredAccessInfo: [0] });
  await server.reAuth({
    sessionId,
    destinationHost: 'pcscf.ims.test',
    specificActions: [2, 12],
    flows: [{ componentNumber: 1, flowNumbers: [1, 2] }],
    accessNetwork: { ...accessNetwork, timeZone: Buffer.from('0400', 'hex'), servingPlmn: '26201' },
  });
  await server.abort({ sessionId, destinationHost: 'pcscf.ims.test', cause: 0 });
  return wire;
}

describe.skipIf(!hasTshark)('tshark on Rx (skipped where it is not installed)', () => {
  it('D-17 D-18 D-70 E.4 finds nothing malformed or unknown in our messages, and reads what we meant', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'diameter-rx-'));
    try {
      const messages = await samples();
      expect(messages).toHaveLength(10);
      const path = join(folder, 'sample.pcap');
      writeFileSync(path, capture(messages));
      const { stdout } = spawnSync('tshark', ['-r', path, '-V', '-O', 'diameter'], { encoding: 'utf8' });
      expect(stdout.match(/Diameter Protocol/g)).toHaveLength(messages.length);
      expect(stdout.match(/.*(?:malformed|expert info|unknown(?!_SESSION_ID)).*/gi) ?? []).toEqual([]);
      for (const words of [
        'Media-Component-Description',
        'permit out 17 from 2001:db8::9 7000 to 10.46.0.5 6000',
        'val=ENABLED-DOWNLINK',
        'val=REMOVED',
        'val=CONTROL',
        'AF_SIGNALLING',
        'Framed-IP-Address',
        'Framed-IPv6-Prefix',
        'INDICATION_OF_LOSS_OF_BEARER',
        'SEVERAL_DIALOGUES',
        'END_USER_SIP_URI',
        'DIAMETER_LOGOUT',
        'BEARER_RELEASED',
      ]) {
        expect(stdout).toContain(words);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
