import { afterEach, describe, expect, it } from 'vitest';
import type { AnswerContent } from '#diameter/answer';
import { readLocationInfo, readUserAuthorization } from '#diameter/cx/cx-server';
import { baseResult, experimentalResult } from '#diameter/result';
import { selectScscf } from '#nodes/icscf/scscf-selection';
import type { SentMessage } from '../worker-harness.ts';
import { capabilities, invite, Network, pcscf, register, scscf } from './icscf-network.ts';

let network: Network;
afterEach(() => {
  expect(network.harness.failures).toEqual([]);
  network.harness.stop();
});

const exp = experimentalResult;

describe('REGISTER', () => {
  it('I-10 I-11 asks the HSS with reduced identities, the visited network and no type', async () => {
    network = new Network();
    network.harness.receive(register(), pcscf);
    const asked = readUserAuthorization(network.question());
    expect(asked).toMatchObject({
      impi: 'alice@ims.test',
      impu: 'sip:Alice@ims.test',
      visitedNetwork: 'visited.test',
      type: undefined,
    });
  });

  it('I-10 derives the IMPI from To, I-11 takes the home domain for a missing visited network', () => {
    network = new Network();
    network.harness.receive(
      register()
        .replace(/P-Visited.*\r\n/, '')
        .replace(/Authorization.*\r\n/, ''),
      pcscf,
    );
    expect(readUserAuthorization(network.question())).toMatchObject({
      impi: 'Alice@ims.test',
      visitedNetwork: 'ims.test',
    });
  });

  it('I-11 says DE_REGISTRATION when every contact leaves, and sets UAR-Flags for sos', () => {
    network = new Network();
    network.harness.receive(register().replace('expires=3600', 'expires=0'), pcscf);
    network.harness.receive(
      register([], 2).replace('reg-1', 'reg-2').replace('<sip:alice@10.0.0.1>', '<sip:alice@10.0.0.1;sos>'),
      pcscf,
    );
    expect(readUserAuthorization(network.question()).type).toBe(1);
    expect(readUserAuthorization(network.question()).emergency).toBe(true);
  });

  it('I-13 I-14 I-18 sends it to the selected S-CSCF with only Request-URI, Via and Max-Forwards changed', async () => {
    network = new Network();
    network.harness.receive(register(), pcscf);
    await network.uaa(exp(2001));
    const sent = network.harness.takeOne();
    expect([sent.requestUri, sent.to]).toEqual([scscf, 'udp 127.0.0.1:6060']);
    expect(sent.all('Via')).toHaveLength(2);
    expect(sent.header('Max-Forwards')).toBe('68');
    expect(sent.header('Authorization')).toContain('uri="sip:ims.test"');
    expect(sent.names.filter((name) => !['Via', 'Max-Forwards'].includes(name))).toEqual([
      'From',
      'To',
      'Call-ID',
      'CSeq',
      'Contact',
      'Path',
      'P-Visited-Network-ID',
      'Authorization',
      'Content-Length',
    ]);
  });

  it('I-02 adds no Path and no Record-Route, and takes out its own Route', async () => {
    network = new Network();
    network.harness.receive(register(['Route: <sip:127.0.0.1:4060;lr>']), pcscf);
    await network.uaa(exp(2001));
    const registering = network.harness.takeOne();
    expect([registering.all('Path'), registering.header('Route')]).toEqual([['<sip:term@127.0.0.1:5070;lr>'], null]);
    network.harness.receive(invite('sip:bob@ims.test', ['Route: <sip:127.0.0.1:4060;lr>'], 'SUBSCRIBE'), pcscf);
    await network.found();
    const subscribing = network.harness.takeOne();
    expect([subscribing.all('Route'), subscribing.header('Record-Route')]).toEqual([[`<${scscf};lr>`], null]);
    expect([subscribing.all('Via').length, subscribing.header('Max-Forwards')]).toEqual([2, '67']);
  });

  it('I-14 accepts a Server-Name without scheme', async () => {
    network = new Network();
    network.harness.receive(register(), pcscf);
    await network.uaa(exp(2002), { serverName: '127.0.0.9:6061' });
    expect(network.harness.takeOne().to).toBe('udp 127.0.0.9:6061');
  });

  it('I-14 a Server-Name that points to this node is a loop: 482', async () => {
    network = new Network();
    network.harness.receive(register(), pcscf);
    await network.uaa(exp(2002), { serverName: 'sip:127.0.0.1:4060' });
    expect(network.harness.takeOne().status).toBe(482);
  });

  const refusals: [string, AnswerContent['result'], number, string][] = [
    ['USER_UNKNOWN', exp(5001), 403, 'user-unknown'],
    ['IDENTITIES_DONT_MATCH', exp(5002), 403, 'identities-dont-match'],
    ['IDENTITY_NOT_REGISTERED', exp(5003), 403, 'identity-not-registered'],
    ['ROAMING_NOT_ALLOWED', exp(5004), 403, 'roaming-not-allowed'],
    ['base AUTHORIZATION_REJECTED', baseResult(5003), 403, 'authorization-rejected'],
    ['TOO_BUSY', baseResult(3004), 500, 'hss-busy'],
    ['UNABLE_TO_COMPLY', baseResult(5012), 500, 'hss-error'],
  ];
  it.each(refusals)('I-12 answers %s with its status and reason', async (_name, result, status, id) => {
    network = new Network();
    network.harness.receive(register(), pcscf);
    await network.uaa(result);
    const sent = network.harness.takeOne();
    expect([sent.status, sent.header('Warning')!.includes(`"${id}:`)]).toEqual([status, true]);
    expect(sent.header('Retry-After') !== null).toBe(id === 'hss-busy');
    expect(network.harness.refusals).toEqual([id]);
  });

  it('I-12 D-13 a silent HSS gives 504, and so does none', async () => {
    network = new Network();
    network.harness.receive(register(), pcscf);
    await expect.poll(() => network.harness.sent.length, { timeout: 10_000 }).toBe(1);
    expect(network.harness.takeOne().status).toBe(504);
    network.harness.receive(register([], 2), pcscf);
    network.harness.side.diameterFailed(network.harness.diameterSent[1]!.message.readUInt32BE(12), 'no-peer');
    await network.harness.settle();
    const sent = network.harness.takeOne();
    expect([sent.status, sent.header('Warning')!.includes('hss-unreachable')]).toEqual([504, true]);
  });

  it('I-13 600 names the missing capability', async () => {
    network = new Network();
    network.harness.receive(register(), pcscf);
    await network.uaa(exp(2001), { capabilities: capabilities([7]) });
    const sent = network.harness.takeOne();
    expect([sent.status, sent.header('Warning')]).toEqual([600, expect.stringContaining('mandatory capability 7')]);
  });

  it('I-15 I-16 asks again with REGISTRATION_AND_CAPABILITIES and tries the next; after the last 504', async () => {
    network = new Network();
    network.harness.receive(register(), pcscf);
    await network.uaa(exp(2001));
    const first = network.harness.takeOne();
    network.harness.answer(first, 480);
    expect(readUserAuthorization(await network.uaa(exp(2001))).type).toBe(2);
    const second = network.harness.takeOne();
    expect(second.to).toBe('udp 127.0.0.2:6060');
    network.harness.answer(second, 408);
    await network.uaa(exp(2001));
    const final = network.harness.takeOne();
    expect([final.status, final.header('Warning')!.includes('no-scscf-answers')]).toEqual([504, true]);
  });

  it('I-15 X-R2 gives the only one that is left the time of a restart, and no more', async () => {
    network = new Network({ scscfs: [{ uri: scscf, capabilities: [], priority: 1, weight: 1 }] });
    network.harness.receive(register(), pcscf);
    await network.uaa(exp(2001));
    network.harness.failSend(network.harness.takeOne());
    await network.uaa(exp(2001));
    network.harness.failSend(network.harness.takeOne());
    network.harness.advance(600);
    network.harness.answer(network.harness.takeOne(), 401);
    expect(network.harness.takeOne().status).toBe(401);

    network.harness.receive(register([], 2), pcscf);
    await network.uaa(exp(2001));
    network.harness.failSend(network.harness.takeOne());
    await network.uaa(exp(2001));
    expect((await network.refuseAll(network.harness.takeOne())).status).toBe(504);
    expect(network.harness.refusals).toEqual(['no-scscf-answers']);
    expect(network.harness.diameterSent).toEqual([]);
  });

  it('I-15 X-R2 waits for the first one where there is to be no other', async () => {
    network = new Network({ selection: { tries: 1, responseTimeout: 10, restoration: true } });
    network.harness.receive(register(), pcscf);
    await network.uaa(exp(2001));
    network.harness.failSend(network.harness.takeOne());
    network.harness.advance(600);
    network.harness.answer(network.harness.takeOne(), 401);
    expect(network.harness.takeOne().status).toBe(401);
    expect(network.harness.diameterSent).toEqual([]);
  });

  it('I-15 gives an S-CSCF up after ten seconds without any response', async () => {
    network = new Network();
    network.harness.receive(register(), pcscf);
    await network.uaa(exp(2001));
    network.harness.advance(10_100);
    expect(readUserAuthorization(await network.uaa(exp(2001))).type).toBe(2);
    expect(network.harness.take().at(-1)!.to).toBe('udp 127.0.0.2:6060');
  });

  it('I-15 other responses go back unchanged', async () => {
    network = new Network();
    network.harness.receive(register(), pcscf);
    await network.uaa(exp(2001));
    network.harness.answer(network.harness.takeOne(), 423, ['Min-Expires: 60']);
    const sent = network.harness.takeOne();
    expect([sent.status, sent.header('Min-Expires'), sent.all('Via').length]).toEqual([423, '60', 1]);
  });

  it('I-17 keeps the S-CSCF that challenged, whatever the HSS picks anew', async () => {
    network = new Network();
    network.harness.receive(register(), pcscf);
    await network.uaa(exp(2001), { serverName: 'sip:127.0.0.5:6060' });
    network.harness.answer(network.harness.takeOne(), 401);
    network.harness.take();
    network.harness.receive(register([], 2), pcscf);
    await network.uaa(exp(2001), { serverName: 'sip:127.0.0.6:6060' });
    expect(network.harness.takeOne().to).toBe('udp 127.0.0.5:6060');
  });
});

describe('initial requests', () => {
  it('I-04 I-20 I-23 sends 100 at once, asks for the Request-URI, pushes a Route and leaves the Request-URI', async () => {
    network = new Network();
    network.harness.receive(invite('sip:Bob@IMS.test;gr=x'), pcscf);
    expect(network.harness.takeOne().status).toBe(100);
    const asked = await network.found();
    expect(readLocationInfo(asked)).toMatchObject({ impu: 'sip:Bob@ims.test', originating: false });
    const sent = network.harness.takeOne();
    expect([sent.requestUri, sent.header('Route'), sent.to]).toEqual([
      'sip:Bob@IMS.test;gr=x',
      `<${scscf};lr>`,
      'udp 127.0.0.1:6060',
    ]);
    expect(sent.header('Record-Route')).toBe(null);
  });

  it('I-21 asks for the tel URI of a telephone number in a SIP URI', async () => {
    network = new Network();
    network.harness.receive(invite('sip:+1-555-0002@ims.test;user=phone'), pcscf);
    expect(readLocationInfo(network.question()).impu).toBe('tel:+15550002');
  });

  it('I-20 I-23 out of the blue: P-Served-User, else PAI; Originating-Request; orig in the Route', async () => {
    network = new Network();
    network.harness.receive(invite('sip:bob@ims.test', ['Route: <sip:127.0.0.1:4060;lr;orig>']), pcscf);
    network.harness.take();
    const asked = await network.found();
    expect(readLocationInfo(asked)).toMatchObject({ impu: 'sip:alice@ims.test', originating: true });
    expect(network.harness.takeOne().header('Route')).toBe(`<${scscf};lr;orig>`);
  });

  it('I-20 without any identity 400', async () => {
    network = new Network();
    const text = invite('sip:bob@ims.test', ['Route: <sip:127.0.0.1:4060;lr;orig>'], 'MESSAGE').replace(
      /P-Asserted.*\r\n/,
      '',
    );
    network.harness.receive(text, pcscf);
    await network.harness.settle();
    expect(network.harness.takeOne().status).toBe(400);
  });

  const refusals: [string, string, AnswerContent['result'], number][] = [
    ['USER_UNKNOWN', 'sip:bob@ims.test', exp(5001), 604],
    ['USER_UNKNOWN of a number', 'tel:+15550009', exp(5001), 404],
    ['IDENTITY_NOT_REGISTERED', 'sip:bob@ims.test', exp(5003), 480],
    ['SERVER_NAME_NOT_STORED', 'sip:bob@ims.test', exp(2004), 480],
    ['UNABLE_TO_COMPLY', 'sip:bob@ims.test', baseResult(5012), 500],
  ];
  it.each(refusals)('I-22 answers %s', async (_name, uri, result, status) => {
    network = new Network();
    network.harness.receive(invite(uri, [], 'MESSAGE'), pcscf);
    await network.uaa(result);
    expect(network.harness.takeOne().status).toBe(status);
  });

  it('I-22 selects by capabilities where there is no name, I-23 adds P-Profile-Key for a wildcard', async () => {
    network = new Network();
    network.harness.receive(invite('sip:bob@ims.test', [], 'MESSAGE'), pcscf);
    await network.uaa(exp(2003), {
      capabilities: capabilities([2]),
      wildcardedPublicIdentity: 'sip:b!.*!@ims.test',
    });
    const sent = network.harness.takeOne();
    expect([sent.to, sent.header('P-Profile-Key')]).toEqual(['udp 127.0.0.1:6060', '<sip:b!.*!@ims.test>']);
  });

  it('I-24 sends a request to the application server that the HSS names for a service identity', async () => {
    network = new Network();
    network.harness.receive(invite('sip:conference@ims.test', [], 'MESSAGE'), pcscf);
    await network.uaa(baseResult(2001), { serverName: 'sip:127.0.0.9:7060' });
    const sent = network.harness.takeOne();
    expect([sent.requestUri, sent.header('Route'), sent.to]).toEqual([
      'sip:conference@ims.test',
      '<sip:127.0.0.9:7060;lr>',
      'udp 127.0.0.9:7060',
    ]);
  });

  it('I-25 reselects once when the S-CSCF cannot be reached, not after a provisional', async () => {
    network = new Network();
    network.harness.receive(invite('sip:bob@ims.test'), pcscf);
    await network.found();
    const [, first] = network.harness.take() as [SentMessage, SentMessage];
    network.harness.failSend(first);
    expect(readLocationInfo(await network.uaa(exp(2003))).type).toBe(2);
    const second = network.harness.takeOne();
    expect([second.to, second.all('Route')]).toEqual(['udp 127.0.0.2:6060', ['<sip:127.0.0.2:6060;lr>']]);
    network.harness.failSend(second);
    await network.harness.settle();
    expect(network.harness.takeOne().status).toBe(504);
  });

  it('I-26 a CANCEL while the HSS is asked ends the INVITE with 487, the late answer is dropped', async () => {
    network = new Network();
    network.harness.receive(invite('sip:bob@ims.test'), pcscf);
    network.harness.receive(invite('sip:bob@ims.test').replaceAll('INVITE', 'CANCEL'), pcscf);
    expect(network.harness.take().map(({ status }) => status)).toEqual([100, 200, 487]);
    await network.found();
    expect(network.harness.take()).toEqual([]);
  });

  it('I-03 follows a further Route without asking, refuses a dialog request without Route, drops a stray ACK', async () => {
    network = new Network();
    network.harness.receive(
      invite('sip:bob@ims.test', [`Route: <sip:127.0.0.1:4060;lr>, <${scscf};lr>`], 'MESSAGE'),
      pcscf,
    );
    expect(network.harness.takeOne().to).toBe('udp 127.0.0.1:6060');
    network.harness.receive(
      invite('sip:bob@ims.test', [], 'BYE').replace('To: <sip:bob@ims.test>', 'To: <sip:bob@ims.test>;tag=b'),
      pcscf,
    );
    expect(network.harness.takeOne().status).toBe(404);
    network.harness.receive(invite('sip:bob@10.0.0.2', [], 'ACK'), pcscf);
    expect(network.harness.take()).toEqual([]);
    expect(network.harness.diameterSent).toEqual([]);
  });

  it('I-01 refuses everyone who is not trusted with 403', async () => {
    network = new Network();
    network.harness.receive(invite('sip:bob@ims.test', [], 'MESSAGE'), 'udp 10.0.0.1:5060');
    expect(network.harness.takeOne().status).toBe(403);
    expect(network.harness.refusals).toEqual(['untrusted-peer']);
  });
});

describe('S-CSCF selection', () => {
  const candidates = [
    { uri: 'a', capabilities: [1], priority: 2, weight: 1 },
    { uri: 'b', capabilities: [1, 2], priority: 2, weight: 3 },
    { uri: 'c', capabilities: [1, 2, 3], priority: 9, weight: 1 },
  ];
  const pick = (mandatory: number[], optional: number[], tried: string[] = [], random = 0) =>
    selectScscf(candidates, capabilities(mandatory, optional), new Set(tried), () => random);

  it('I-13 all mandatory, most optional, then priority, then weight', () => {
    expect(pick([2], [3])).toBe('c');
    expect(pick([2], [])).toBe('b');
    expect(pick([1], [], ['c'], 0.2)).toBe('a');
    expect(pick([1], [], ['c'], 0.3)).toBe('b');
    expect(pick([4], [])).toBe(null);
    expect(selectScscf(candidates, undefined, new Set(['a', 'b']), () => 0)).toBe('c');
  });

  it('I-13 names of the HSS come first, in its order, untried ones', () => {
    const wanted = capabilities([9], [], ['x.test', 'sip:y.test']);
    expect(selectScscf(candidates, wanted, new Set(), () => 0)).toBe('sip:x.test');
    expect(selectScscf(candidates, wanted, new Set(['sip:x.test']), () => 0)).toBe('sip:y.test');
  });
});
