import { describe, expect, it } from 'vitest';
import { DiameterClient } from '#diameter/client';
import { avp } from '#diameter/codec/avp-types';
import { encodeMessage } from '#diameter/codec/encode';
import { baseAvps } from '#diameter/dictionary/base';
import { cxDictionary } from '#diameter/dictionary/cx';
import { workerOfSession } from '#diameter/session-id';

const header = { flags: 0x80, command: 258, application: 16777236, hopByHop: 1, endToEnd: 1 };
const request = (...avps: Parameters<typeof encodeMessage>[1]) => encodeMessage(header, avps);
const withId = (id: string) => request(avp(baseAvps.sessionId, id));
const host = 'pcscf.ims.test';

describe('the worker that a Session-Id belongs to', () => {
  it.each([0, 1, 63])('D-02 is the one that made it: %i', (worker) => {
    const port = { send() {}, answer() {} };
    const identity = { originHost: host, originRealm: 'ims.test' };
    const client = new DiameterClient(port, { worker, identity, dictionary: cxDictionary });
    expect(workerOfSession(withId(client.newSessionId()), host)).toBe(worker);
    client.stop();
  });

  it('D-21 is found in whatever case the peer writes our name', () => {
    expect(workerOfSession(withId('PCSCF.ims.TEST;1;2;3'), host)).toBe(3);
  });

  it.each([
    'hss.ims.test;1;2;3',
    'pcscf.ims.test2;1;2;3',
    'pcscf.ims.test',
    'pcscf.ims.test;',
    'pcscf.ims.test;1',
    'pcscf.ims.test;1;x',
    'pcscf.ims.test;1;2;64',
    'pcscf.ims.test;1;2;-1',
    'pcscf.ims.test;1;2;3;4',
    'pcscf.ims.test;1;2;99999999999',
    '',
  ])('D-02 is none for %j', (id) => {
    expect(workerOfSession(withId(id), host)).toBe(-1);
  });

  it('X-D2 is none where the Session-Id is not the first AVP, or damaged', () => {
    expect(workerOfSession(request(avp(baseAvps.originHost, host), avp(baseAvps.sessionId, `${host};1;2`)), host)).toBe(
      -1,
    );
    expect(workerOfSession(request(), host)).toBe(-1);
    for (const length of [0, 7, 8, 200, 0xffffff]) {
      const message = withId(`${host};1;2;3`);
      message.writeUIntBE(length, 25, 3);
      expect(workerOfSession(message, host)).toBe(-1);
    }
  });
});
