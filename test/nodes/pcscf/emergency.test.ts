import { afterEach, describe, expect, it } from 'vitest';
import { openEmergency } from '#nodes/pcscf/emergency';
import type { PcscfConfig } from '#service/config/pcscf-config';
import type { NodeContext } from '#service/node-context';
import { parseUri } from '#sip/uri/uri';
import {
  alice,
  coreRequest,
  expectQuiet,
  granted,
  mw,
  type PcscfOptions,
  type PcscfWorker,
  register,
  registerText,
  request,
  scscf,
  serviceRoute,
  startPcscf,
  tokenOf,
  twoListeners,
  ue,
} from './pcscf-harness.ts';

let worker: PcscfWorker;
const ecscf = 'sip:127.0.8.9:7060';
const start = (emergency: PcscfOptions['emergency'] = { ecscf }, more: PcscfOptions = {}) => {
  worker = startPcscf({ emergency, ...more });
};
afterEach(() => expectQuiet(worker));

const accessOf = (security: 'ipsec-required') => [{ from: '0.0.0.0/0', security }];
const sdp = 'v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n';
const call = (uri: string, lines: readonly string[] = [], method = 'INVITE') => {
  worker.receive(request(alice, method, uri, lines), alice.source);
  return worker.takeOne();
};

describe('an emergency call of a registered UE', () => {
  it.each([
    ['P-130 P-132 the service itself', 'urn:service:sos'],
    ['P-130 P-132 a service below it', 'urn:service:sos.police'],
    ['P-130 P-132 in any case', 'URN:Service:SOS.Fire'],
  ])('%s goes to the E-CSCF with its Request-URI, whatever its Route', (_title, uri) => {
    start();
    register(worker, alice);
    const sent = call(uri, ['Route: <sip:127.0.8.1:5060;lr>, <sip:evil@127.99.0.1;lr>', 'P-Preferred-Service: x']);
    expect(sent.to).toBe('udp 127.0.8.9:7060');
    expect(sent.requestUri).toBe(uri);
    expect(sent.all('Route')).toEqual([`<${ecscf};lr>`]);
    expect(sent.header('P-Asserted-Identity')).toBe('<sip:alice@ims.test>, <tel:+15555>');
    expect(sent.header('P-Charging-Vector')).toMatch(/^icid-value=/);
    expect(sent.header('Record-Route')).toContain('127.0.8.1:5060');
    expect(worker.events).toContain('emergency-call');
  });

  it('P-132 no policy stands in its way: media that are forbidden pass, session timers too', () => {
    start({ ecscf }, { media: { types: ['message'], codecs: { forbidden: [] } } });
    register(worker, alice);
    worker.receive(
      request(
        alice,
        'INVITE',
        'urn:service:sos',
        ['Content-Type: application/sdp', 'Session-Expires: 10', 'Supported: timer'],
        sdp,
      ),
      alice.source,
    );
    expect(worker.takeOne().body).toBe(sdp);
  });

  it('P-132 X-I21 counts for no limit', () => {
    start({ ecscf }, { callsPerUe: 1 });
    register(worker, alice);
    for (let i = 0; i < 3; i++) expect(call('urn:service:sos').method).toBe('INVITE');
    expect(call('sip:bob@ims.test', [`Route: ${serviceRoute}`]).method).toBe('INVITE');
  });

  it('P-132 its UE is asserted by the identity it prefers, if that is one of its own', () => {
    start();
    register(worker, alice);
    const sent = call('urn:service:sos', ['P-Preferred-Identity: <tel:+1-555-5>', 'P-Asserted-Identity: <sip:eve@x>']);
    expect(sent.header('P-Asserted-Identity')).toBe('<tel:+15555>, <sip:alice@ims.test>');
  });

  it('P-132 goes on inside its dialog wherever the answering point is', () => {
    start();
    const token = register(worker, alice);
    const sent = call('urn:service:sos', ['Call-ID: help']);
    worker.receive(answerOf(sent, 200, ['Contact: <sip:psap@192.0.2.1:5060>']), 'udp 127.0.8.9:7060');
    expect(worker.takeOne().status).toBe(200);
    const route = `Route: <sip:${token}@127.0.8.1:5060;lr>`;
    const inside = ['To: <urn:service:sos>;tag=psap', 'Call-ID: help', 'CSeq: 900 BYE', route];
    worker.receive(request(alice, 'BYE', 'sip:psap@192.0.2.1:5060', inside), alice.source);
    expect(worker.takeOne().to).toBe('udp 192.0.2.1:5060');
  });

  it('P-135 without an E-CSCF it goes to the answering point of the configuration', () => {
    start({ psap: 'sip:112@127.0.8.7:5090' });
    register(worker, alice);
    const sent = call('urn:service:sos');
    expect([sent.requestUri, sent.to, sent.all('Route')]).toEqual(['sip:112@127.0.8.7:5090', 'udp 127.0.8.7:5090', []]);
  });

  it('P-135 without both it gets 503', () => {
    start({});
    register(worker, alice);
    expect(call('urn:service:sos').header('Warning')).toContain('emergency-unrouted');
  });

  it.each(['MESSAGE', 'SUBSCRIBE', 'PUBLISH', 'OPTIONS'])('P-136 %s to the service gets 403', (method) => {
    start();
    register(worker, alice);
    const refused = call('urn:service:sos', method === 'SUBSCRIBE' ? ['Event: presence'] : [], method);
    expect([refused.status, refused.header('Warning')]).toEqual([403, expect.stringContaining('emergency-method')]);
  });

  it('P-136 a method of the configuration passes', () => {
    start({ ecscf, methods: ['MESSAGE'] });
    register(worker, alice);
    expect(call('urn:service:sos', [], 'MESSAGE').to).toBe('udp 127.0.8.9:7060');
  });

  it('P-130 another service, and a name that only begins like it, are no emergency', () => {
    start();
    register(worker, alice);
    for (const uri of ['urn:service:counseling', 'urn:service:sosnot', 'urn:uuid:sos']) {
      expect(call(uri, [`Route: ${serviceRoute}`]).to).toBe('udp 127.0.8.3:6060');
    }
  });
});

describe('an emergency number', () => {
  const numbers = ['112'];

  it('P-134 by default the UE is told to make an emergency call: 380 with what to do', () => {
    start({ numbers, ecscf });
    const token = register(worker, alice);
    const answer = call('tel:112;phone-context=ims.test', [`Route: ${serviceRoute}`]);
    expect(answer.startLine).toBe('SIP/2.0 380 Alternative Service');
    expect(answer.header('Content-Type')).toBe('application/3gpp-ims+xml');
    expect(answer.body).toContain('<ims-3gpp version="1"><alternative-service><type>emergency</type>');
    expect(answer.body).toContain('<action>emergency-registration</action>');
    expect(answer.header('P-Asserted-Identity')).toBe(`<sip:${token}@127.0.8.1:5060;lr>`);
    expect(answer.header('Contact')).toBe('<urn:service:sos>');
    expect(worker.events).toContain('emergency-redirected');
  });

  it('P-134 that is said without an E-CSCF as well', () => {
    start({ numbers });
    register(worker, alice);
    expect(call('sip:112@ims.test').status).toBe(380);
  });

  it('P-134 handle: it becomes an emergency call here, and the answers say what was called', () => {
    start({ numbers, ecscf, onNumber: 'handle' });
    register(worker, alice);
    const sent = call('tel:112;phone-context=ims.test', [`Route: ${serviceRoute}`]);
    expect([sent.requestUri, sent.to]).toEqual(['urn:service:sos', 'udp 127.0.8.9:7060']);
    for (const status of [180, 200]) {
      worker.receive(
        answerOf(sent, status, ['Contact: <sip:psap@192.0.2.1>', 'P-Asserted-Identity: <sip:psap@x>']),
        scscf,
      );
      expect(worker.takeOne().all('P-Asserted-Identity')).toEqual(['<tel:112;phone-context=ims.test>']);
    }
  });

  it('P-134 P-136 only a call is one: MESSAGE to the number passes', () => {
    start({ numbers, ecscf });
    register(worker, alice);
    expect(call('tel:112;phone-context=ims.test', [`Route: ${serviceRoute}`], 'MESSAGE').to).toBe('udp 127.0.8.3:6060');
  });

  it('P-143 a node that drains takes calls for help and registers for them, and nothing else that begins', () => {
    start({ numbers, ecscf, onNumber: 'handle' });
    register(worker, alice);
    worker.side.core.drain();
    expect(call('sip:bob@ims.test', [`Route: ${serviceRoute}`]).status).toBe(503);
    expect(call('sip:112@ims.test', [`Route: ${serviceRoute}`]).requestUri).toBe('urn:service:sos');
    expect(call('urn:service:sos.fire').to).toBe('udp 127.0.8.9:7060');
    worker.receive(registerText(alice), alice.source);
    expect(worker.takeOne().status).toBe(503);
    worker.receive(registerText(alice, [], `<sip:alice@${alice.address};sos>`), alice.source);
    expect(worker.takeOne().method).toBe('REGISTER');
  });

  it('P-134 who is not registered gets 403', () => {
    start({ numbers, ecscf, anonymous: 'on' });
    expect(call('tel:112;phone-context=ims.test').status).toBe(403);
  });
});

describe('the configuration of emergency calls', () => {
  it('P-130 is followed while the node serves: numbers and where they go', () => {
    start();
    let config = {
      homeDomain: 'ims.test',
      emergency: { numbers: ['112'], onNumber: 'redirect' },
    } as unknown as PcscfConfig;
    let rebuild: (next: PcscfConfig) => void = () => {};
    const context = {
      get config() {
        return config;
      },
      onConfig: (listener: typeof rebuild) => void (rebuild = listener),
    };
    const side = openEmergency(context as unknown as NodeContext<PcscfConfig>);
    const find = (number: string) => side.numbers.find(parseUri(`tel:${number}`), 'ims.test');
    expect([find('112'), find('911')]).toEqual(['112', '']);
    config = { ...config, emergency: { ...config.emergency, numbers: ['911'], onNumber: 'handle' } };
    rebuild(config);
    expect([find('112'), find('911'), side.policy.onNumber]).toEqual(['', '911', 'handle']);
  });
});

describe('an emergency call of a UE that is not registered', () => {
  it('P-133 gets 403 by default, and nothing goes on', () => {
    start();
    const refused = call('urn:service:sos');
    expect([refused.status, refused.header('Warning')]).toEqual([
      403,
      expect.stringContaining('emergency-not-registered'),
    ]);
  });

  it('P-133 P-04 goes on where that is allowed, without an asserted identity, whatever the access asks for', () => {
    start({ ecscf, anonymous: 'on' }, { access: accessOf('ipsec-required'), listeners: twoListeners });
    const lines = ['P-Asserted-Identity: <sip:eve@x>', 'From: "A" <sip:anonymous@anonymous.invalid>;tag=a'];
    const sent = call('urn:service:sos', [...lines, 'Call-ID: anon']);
    expect(sent.to).toBe('udp 127.0.8.9:7060');
    expect(sent.all('P-Asserted-Identity')).toEqual([]);
    expect(sent.header('From')).toBe('"A" <sip:anonymous@anonymous.invalid>;tag=a');
    expect(worker.events).toContain('emergency-anonymous');
    // Nothing else passes there.
    expect(call('sip:bob@ims.test').status).toBe(403);
  });

  it('P-133 its dialog goes by its source, both ways; nobody else has part in it', () => {
    start({ ecscf, anonymous: 'on' }, { access: accessOf('ipsec-required'), listeners: twoListeners });
    const sent = call('urn:service:sos', ['Call-ID: anon']);
    const token = /<sip:([^@]+)@/.exec(sent.header('Record-Route')!)![1]!;
    worker.receive(answerOf(sent, 200, ['Contact: <sip:psap@192.0.2.1>']), 'udp 127.0.8.9:7060', mw);
    const answer = worker.takeOne();
    expect([answer.status, answer.to]).toEqual([200, 'udp 127.16.0.1:5070']);
    const route = `Route: <sip:${token}@127.0.0.1:5060;lr>`;
    const inside = (method: string) => [
      'To: <urn:service:sos>;tag=psap',
      'Call-ID: anon',
      `CSeq: 900 ${method}`,
      route,
    ];
    const thief = ue('alice', 'udp 127.16.0.9:5070');
    worker.receive(request(thief, 'BYE', 'sip:psap@192.0.2.1', inside('BYE')), thief.source);
    expect(worker.takeOne().status).toBe(403);
    worker.receive(
      coreRequest('UPDATE', `sip:alice@${alice.address}`, [
        'From: <urn:service:sos>;tag=psap',
        'To: <sip:alice@ims.test>;tag=alice',
        'Call-ID: anon',
        `Route: <sip:${token}@127.0.0.1:5070;lr>`,
      ]),
      scscf,
      mw,
    );
    expect(worker.takeOne().to).toBe('udp 127.16.0.1:5070');
    worker.receive(request(alice, 'BYE', 'sip:psap@192.0.2.1', inside('BYE')), alice.source);
    expect(worker.takeOne().method).toBe('BYE');
  });
});

describe('an emergency registration', () => {
  const sos = `<sip:alice@${alice.address};sos>`;

  it('P-131 is forwarded like any other, and not subscribed to', () => {
    start({ ecscf }, { regEvent: { subscribe: true } });
    worker.receive(registerText(alice, [], `${sos};expires=3600`), alice.source);
    const forwarded = worker.takeOne();
    expect(forwarded.to).toBe('udp 127.0.8.2:4060');
    worker.answer(forwarded, 200, granted(alice).with(0, `Contact: ${sos};expires=3600`));
    expect(worker.takeOne().status).toBe(200);
    worker.advance(5_000);
    expect(worker.take()).toEqual([]);
  });

  it('P-131 lives beside a normal one of the same UE, made from the same place or another', () => {
    start();
    const normal = register(worker, alice);
    worker.receive(registerText(alice, [], `${sos};expires=3600`), alice.source);
    const forwarded = worker.takeOne();
    expect(tokenOf(forwarded)).not.toBe(normal);
    worker.answer(forwarded, 200, granted(alice).with(0, `Contact: ${sos};expires=3600`));
    expect(worker.takeOne().status).toBe(200);
    expect(worker.logic.registrations()).toBe(2);
    // A refresh of the normal one leaves both as they are.
    expect(register(worker, alice)).toBe(normal);
    expect(worker.logic.registrations()).toBe(2);
    const moved = ue('alice', 'udp 127.16.0.2:5070');
    const there = `<sip:alice@${moved.address};sos>`;
    worker.receive(registerText(moved, [], `${there};expires=3600`), moved.source);
    worker.answer(worker.takeOne(), 200, granted(moved).with(0, `Contact: ${there};expires=3600`));
    expect(worker.takeOne().status).toBe(200);
    const call = request(alice, 'MESSAGE', 'sip:bob@ims.test', [`Route: ${serviceRoute}`]);
    worker.receive(call, alice.source);
    expect(worker.takeOne().method).toBe('MESSAGE');
  });

  it('P-131 lasts as long as it was granted, though the UE de-registers it', () => {
    start();
    const ask = (expires: number, grants: readonly string[]) => {
      worker.receive(registerText(alice, [], `${sos};expires=${expires}`), alice.source);
      worker.answer(worker.takeOne(), 200, grants);
      expect(worker.takeOne().status).toBe(200);
    };
    ask(3600, granted(alice).with(0, `Contact: ${sos};expires=3600`));
    ask(60, granted(alice).with(0, `Contact: ${sos};expires=60`));
    worker.advance(1_800_000);
    expect(worker.logic.registrations()).toBe(1);
    ask(0, granted(alice).slice(1));
    expect(worker.logic.registrations()).toBe(1);
    worker.advance(1_900_000);
    expect(worker.logic.registrations()).toBe(0);
  });
});

/** A response of the answering point, which does not record its route. */
function answerOf(
  sent: { all(name: string): string[]; header(name: string): string | null },
  status: number,
  lines: readonly string[],
): string {
  const copied = ['Via', 'Record-Route', 'From', 'Call-ID', 'CSeq'].flatMap((name) =>
    sent.all(name).map((value) => `${name}: ${value}`),
  );
  const text = [`SIP/2.0 ${status} Fine`, ...copied, `To: ${sent.header('To')};tag=psap`, ...lines];
  return `${text.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`;
}
