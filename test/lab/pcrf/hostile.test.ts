import { expect, it } from 'vitest';
import { avp } from '#diameter/codec/avp-types';
import { decodeMessage } from '#diameter/codec/decode';
import { encodeMessage } from '#diameter/codec/encode';
import { baseAvps } from '#diameter/dictionary/base';
import { rxApplication, rxCommands } from '#diameter/dictionary/rx';
import { DecodeFailure } from '#diameter/errors';
import { aaRequestAvps } from '#diameter/rx/rx-requests';
import { isBreach } from '#lab/diameter/finding-refusal';
import { inspectRequest } from '#lab/diameter/request-inspection';
import { type AfContext, answerAaRequest, isLeftUnanswered } from '#lab/pcrf/af-requests';
import { AfSessions } from '#lab/pcrf/af-sessions';
import { PolicyRules } from '#lab/pcrf/policy-rules';
import { encodeRefusalFor } from '#lab/pcrf/rx-finding';
import { rxProtocol } from '#lab/pcrf/rx-protocol';
import { sessionFindings } from '#lab/pcrf/session-inspection';
import { aar, audio, rule, service, video } from './pcrf-client.ts';

const identity = { originHost: 'pcrf.epc.test', originRealm: 'epc.test' };
const sender = { originHost: 'pcscf.ims.test', originRealm: 'ims.test' };

/** Numbers from 0 up to 1, the same at each run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

it('X-D2 X-D3 whatever an AAR is turned into, it is judged and refused without an exception', async () => {
  const sessions = new AfSessions(() => 0);
  const rules = new PolicyRules([rule({ match: { codec: 'EVS', subscription: 'x*', address: '10.0.0.0/8' } })]);
  const context: AfContext = { sessions, rules, originStateId: 1, wait: () => Promise.resolve() };
  const around = { identity, isPeer: () => true };
  const id = 'pcscf.ims.test;1790000000;1';
  const told = service([audio(), video()], { serviceUrn: 'sos', requestType: 0 });
  const header = { flags: 0xc0, command: rxCommands.aa.code, application: rxApplication.id, hopByHop: 1, endToEnd: 1 };
  const whole = encodeMessage(header, [
    avp(baseAvps.sessionId, id),
    ...aaRequestAvps({ ...aar(id), ...told }, sender, 'epc.test'),
  ]);
  const random = numbers(20261122);
  const ids = new Set<string>();
  let decodable = 0;
  for (let run = 0; run < 6000; run++) {
    const octets = Buffer.from(whole);
    for (let i = 0; i <= random() * 4; i++) {
      octets[20 + Math.floor(random() * (octets.length - 20))] = random() < 0.5 ? Math.floor(random() * 256) : 0;
    }
    const { findings, request } = inspectRequest(octets, around, rxProtocol);
    const all = [...findings, ...(request === undefined ? [] : sessionFindings(request, sessions))];
    for (const finding of all) {
      ids.add(finding.id);
      if (!isBreach(finding)) continue;
      const answer = decodeMessage(encodeRefusalFor(finding, octets, request, identity), rxProtocol.dictionary);
      if (answer instanceof DecodeFailure) throw new Error(`${finding.words}: ${answer.reason}`);
    }
    if (request === undefined) continue;
    decodable++;
    isLeftUnanswered(context, request);
    await answerAaRequest(context, request);
  }
  expect(decodable).toBeGreaterThan(1000);
  expect([...ids]).toEqual(
    expect.arrayContaining([
      'damaged',
      'avp-flags',
      'missing-avp',
      'flow-description',
      'codec-data',
      'session-id-form',
    ]),
  );
});
