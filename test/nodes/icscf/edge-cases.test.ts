import { afterEach, describe, expect, it } from 'vitest';
import type { AnswerContent } from '#diameter/answer';
import { readLocationInfo, readUserAuthorization } from '#diameter/cx/cx-server';
import { baseResult, experimentalResult } from '#diameter/result';
import { invite, Network, pcscf, register, scscf } from './icscf-network.ts';

const exp = experimentalResult;
let network: Network;
afterEach(() => {
  expect(network.harness.failures).toEqual([]);
  network.harness.stop();
});

describe('what passes without the HSS', () => {
  it('I-03 sends an ACK on along its Route, and a CANCEL of nothing not at all', () => {
    network = new Network();
    network.harness.receive(invite('sip:bob@10.0.0.2', [`Route: <${scscf};lr>`], 'ACK'), pcscf);
    const ack = network.harness.takeOne();
    expect([ack.method, ack.to, ack.requestUri]).toEqual(['ACK', 'udp 127.0.0.1:6060', 'sip:bob@10.0.0.2']);
    network.harness.receive(invite('sip:bob@ims.test', [], 'CANCEL'), pcscf);
    expect(network.harness.takeOne().status).toBe(481);
    expect(network.harness.diameterSent).toEqual([]);
  });

  it('I-04 only an INVITE gets 100 at once', () => {
    network = new Network();
    network.harness.receive(invite('sip:bob@ims.test', [], 'MESSAGE'), pcscf);
    expect(network.harness.take()).toEqual([]);
  });
});

describe('what a REGISTER asks', () => {
  const typeOf = (text: string) => {
    network = new Network();
    network.harness.receive(text, pcscf);
    return readUserAuthorization(network.question()).type;
  };
  const two = 'Contact: <sip:alice@10.0.0.1>;expires=0\r\nContact: <sip:alice@10.0.0.2>';

  it.each([
    ['a star', register(['Expires: 0']).replace('<sip:alice@10.0.0.1>;expires=3600', '*'), 1],
    ['Expires: 0 without expires of its own', register(['Expires: 0']).replace(';expires=3600', ''), 1],
    ['a contact that stays beside one that leaves', register().replace(/Contact: .*3600/, two), undefined],
    ['expires before Expires', register(['Expires: 0']), undefined],
    ['no contact: a query', register(['Expires: 0']).replace(/Contact: .*\r\n/, ''), undefined],
  ])('I-11 %s', (_name, text, type) => {
    expect(typeOf(text)).toBe(type);
    network.harness.stop();
  });

  it('I-11 takes the first visited network, with and without quotes', () => {
    network = new Network();
    const visited = (value: string) => register().replace('"visited.test"', value);
    network.harness.receive(visited('first.test, "second.test"'), pcscf);
    expect(readUserAuthorization(network.question()).visitedNetwork).toBe('first.test');
  });

  const leading: [string, AnswerContent['result'], string | undefined, string][] = [
    ['FIRST_REGISTRATION with a name', exp(2001), 'sip:127.0.0.5:6060', 'udp 127.0.0.5:6060'],
    ['SUBSEQUENT_REGISTRATION without one', exp(2002), undefined, 'udp 127.0.0.1:6060'],
    ['an empty name', exp(2002), '', 'udp 127.0.0.1:6060'],
    ['SERVER_SELECTION of old', exp(2005), undefined, 'udp 127.0.0.1:6060'],
    ['plain success', baseResult(2001), 'sip:127.0.0.5:6060', 'udp 127.0.0.5:6060'],
    ['plain success without a name', baseResult(2001), undefined, 'udp 127.0.0.1:6060'],
  ];
  it.each(leading)('I-12 %s leads to an S-CSCF', async (_name, result, serverName, to) => {
    network = new Network();
    network.harness.receive(register(), pcscf);
    await network.uaa(result, serverName === undefined ? {} : { serverName });
    expect(network.harness.takeOne().to).toBe(to);
  });

  it.each([
    [baseResult(3002), 'hss-unroutable'],
    [baseResult(3003), 'hss-unroutable'],
    [baseResult(3010), 'hss-error'],
    [exp(5012), 'hss-error'],
  ])('I-12 %o is 500', async (result, id) => {
    network = new Network();
    network.harness.receive(register(), pcscf);
    await network.uaa(result);
    expect(network.harness.takeOne().status).toBe(500);
    expect(network.harness.refusals).toEqual([id]);
  });

  it('I-14 keeps port and transport of a Server-Name', async () => {
    network = new Network();
    network.harness.receive(register(), pcscf);
    await network.uaa(exp(2002), { serverName: 'sip:scscf@127.0.0.9:6061;transport=tcp' });
    const sent = network.harness.takeOne();
    expect([sent.requestUri, sent.to]).toEqual(['sip:scscf@127.0.0.9:6061;transport=tcp', 'tcp 127.0.0.9:6061']);
  });

  it('I-14 a Server-Name that is no SIP URI is 500', async () => {
    network = new Network();
    network.harness.receive(register(), pcscf);
    await network.uaa(exp(2002), { serverName: 'sip:two words' });
    expect(network.harness.takeOne().status).toBe(500);
    expect(network.harness.refusals).toEqual(['hss-malformed']);
  });
});

describe('the S-CSCF that challenged', () => {
  const challenged = async () => {
    network = new Network();
    network.harness.receive(register(), pcscf);
    await network.uaa(exp(2001), { serverName: 'sip:127.0.0.5:6060' });
    network.harness.answer(network.harness.takeOne(), 401);
    network.harness.take();
  };
  const again = async (text: string, result = exp(2001)) => {
    network.harness.receive(text, pcscf);
    await network.uaa(result, { serverName: 'sip:127.0.0.6:6060' });
    return network.harness.takeOne();
  };

  it('I-17 is remembered for 240 seconds', async () => {
    await challenged();
    network.harness.advance(239_000);
    expect((await again(register([], 2))).to).toBe('udp 127.0.0.5:6060');
    network.harness.stop();
    await challenged();
    network.harness.advance(240_001);
    expect((await again(register([], 2))).to).toBe('udp 127.0.0.6:6060');
  });

  it('I-17 is that of this user in this call only, and gives way to what the HSS has stored', async () => {
    await challenged();
    expect((await again(register([], 2).replace('reg-1', 'reg-2'))).to).toBe('udp 127.0.0.6:6060');
    expect((await again(register([], 3).replace('username="alice', 'username="carol'))).to).toBe('udp 127.0.0.6:6060');
    expect((await again(register([], 4), exp(2002))).to).toBe('udp 127.0.0.6:6060');
  });

  it('I-17 is forgotten once it has answered otherwise, or not at all', async () => {
    await challenged();
    network.harness.answer(await again(register([], 2)), 403);
    network.harness.take();
    expect((await again(register([], 3))).to).toBe('udp 127.0.0.6:6060');
    network.harness.stop();
    await challenged();
    network.harness.failSend(await again(register([], 2)));
    await network.uaa(exp(2001), { serverName: 'sip:127.0.0.6:6060' });
    network.harness.take();
    expect((await again(register([], 3))).to).toBe('udp 127.0.0.6:6060');
  });
});

describe('whom a request is for', () => {
  const originating = 'Route: <sip:127.0.0.1:4060;lr;orig>';
  const asked = (more: string[], text = invite('sip:bob@ims.test', more, 'MESSAGE')) => {
    network = new Network();
    network.harness.receive(text, pcscf);
    return readLocationInfo(network.question());
  };

  it('I-20 P-Served-User comes before P-Asserted-Identity', () => {
    const served = 'P-Served-User: <sip:carol@IMS.test:5060;x=y>;sescase=orig;regstate=unreg';
    expect(asked([originating, served])).toMatchObject({ impu: 'sip:carol@ims.test', originating: true });
  });

  it('I-20 a tel identity serves where there is no sip one', () => {
    const text = invite('sip:bob@ims.test', [originating], 'MESSAGE').replace(
      /P-Asserted.*\r\n/,
      'P-Asserted-Identity: <tel:+1-555-0001>\r\n',
    );
    expect(asked([], text)).toMatchObject({ impu: 'tel:+15550001', originating: true });
  });

  it('I-20 who is called is named by the Request-URI alone', () => {
    const served = 'P-Served-User: <sip:carol@ims.test>;sescase=orig;regstate=unreg';
    expect(asked([served])).toMatchObject({ impu: 'sip:bob@ims.test', originating: false });
  });

  it.each([
    ['sips:bob@ims.test:5061;transport=tcp', 'sip:bob@ims.test'],
    ['sip:bob@ims.test;gr=urn:uuid:1?Subject=x', 'sip:bob@ims.test'],
  ])('I-21 asks for %s as %s', (uri, impu) => {
    network = new Network();
    network.harness.receive(invite(uri, [], 'MESSAGE'), pcscf);
    expect(readLocationInfo(network.question()).impu).toBe(impu);
  });
});

describe('what the HSS says of a user', () => {
  const send = async (result: AnswerContent['result'], more: Parameters<Network['uaa']>[1] = {}) => {
    network.harness.receive(invite('sip:bob@ims.test', [], 'MESSAGE'), pcscf);
    await network.uaa(result, more);
    return network.harness.takeOne();
  };
  const server = 'sip:127.0.0.5:6060';
  const capabilities = { mandatory: [1], optional: [], serverNames: [] };

  const leading: [string, AnswerContent['result'], Parameters<Network['uaa']>[1], string][] = [
    ['success with a name', baseResult(2001), { serverName: server }, 'udp 127.0.0.5:6060'],
    ['success with capabilities', baseResult(2001), { capabilities }, 'udp 127.0.0.1:6060'],
    ['UNREGISTERED_SERVICE with a name', exp(2003), { serverName: server }, 'udp 127.0.0.5:6060'],
    ['UNREGISTERED_SERVICE without', exp(2003), {}, 'udp 127.0.0.1:6060'],
    ['SERVER_NAME_NOT_STORED with a name after all', exp(2004), { serverName: server }, 'udp 127.0.0.5:6060'],
  ];
  it.each(leading)('I-22 %s leads to an S-CSCF', async (_name, result, more, to) => {
    network = new Network();
    expect((await send(result, more)).to).toBe(to);
  });

  it('I-22 no S-CSCF that has the capabilities is 600', async () => {
    network = new Network();
    const sent = await send(exp(2003), { capabilities: { ...capabilities, mandatory: [7] } });
    expect([sent.status, sent.header('Warning')]).toEqual([600, expect.stringContaining('mandatory capability 7')]);
  });

  it('I-22 an unknown user is 404 where the configuration says so', async () => {
    network = new Network({ unknownUser: 404 });
    expect((await send(exp(5001))).status).toBe(404);
  });

  it('I-22 a busy HSS is 500 with Retry-After, a silent one 504', async () => {
    network = new Network();
    const busy = await send(baseResult(3004));
    expect([busy.status, busy.header('Retry-After')]).toEqual([500, '5']);
    network.harness.receive(invite('sip:bob@ims.test', [], 'INFO'), pcscf);
    await expect.poll(() => network.harness.sent.length, { timeout: 10_000 }).toBe(1);
    expect(network.harness.takeOne().status).toBe(504);
  });

  it('I-23 keeps lr of a Server-Name as it is', async () => {
    network = new Network();
    expect((await send(baseResult(2001), { serverName: 'sip:127.0.0.5:6060;lr' })).header('Route')).toBe(
      '<sip:127.0.0.5:6060;lr>',
    );
  });
});
