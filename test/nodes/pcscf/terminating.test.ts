import { afterEach, describe, expect, it } from 'vitest';
import { pcscfTables } from '#nodes/pcscf/registrations';
import { openMemoryStore } from '#store/memory-store';
import type { SentMessage } from '../worker-harness.ts';
import {
  bob,
  coreRequest,
  expectQuiet,
  granted,
  mw,
  type PcscfOptions,
  type PcscfWorker,
  register,
  registerText,
  scscf,
  startPcscf,
  tokenOf,
  twoListeners,
  ue,
} from './pcscf-harness.ts';

let worker: PcscfWorker;
const start = (options?: PcscfOptions) => (worker = startPcscf(options));
afterEach(() => expectQuiet(worker));

const contact = 'sip:bob@127.32.0.1:5070';
const scscfEntry = '<sip:mt@127.0.8.3:6060;lr>';

/** The lines an S-CSCF adds, for the Path of a token. */
const path = (token: string, host = '127.0.8.1:5060') => `Route: <sip:${token}@${host};lr>`;

/** Sends a request for bob and gives what left. */
function send(method: string, lines: readonly string[], body = ''): SentMessage {
  worker.receive(coreRequest(method, contact, lines, body), scscf);
  return worker.takeOne();
}

describe('requests to a UE', () => {
  it('P-90 P-91 P-93 an INVITE goes to the flow of the token, without what a UE must not see', () => {
    start();
    const token = register(worker, bob);
    const invite = send('INVITE', [
      path(token),
      `Record-Route: ${scscfEntry}`,
      'P-Called-Party-ID: <sip:bob@ims.test>',
      'P-Asserted-Identity: <sip:alice@ims.test>',
      'P-Charging-Vector: icid-value=c1;orig-ioi=home',
      'P-Charging-Function-Addresses: ccf=pcrf',
      'P-Served-User: <sip:bob@ims.test>;sescase=term',
      'P-Profile-Key: <sip:x@y>',
      'P-User-Database: <aaa://hss>',
      'P-Visited-Network-ID: home',
      'P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=1',
      'P-Private-Network-Indication: x',
      'P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mmtel',
      'P-Early-Media: supported',
    ]);
    expect(invite.to).toBe(bob.source);
    expect(invite.requestUri).toBe(contact);
    expect(invite.all('Route')).toEqual([]);
    expect(invite.all('Record-Route')).toEqual([`<sip:${token}@127.0.8.1:5060;lr>`, scscfEntry]);
    for (const name of [
      'P-Charging-Vector',
      'P-Charging-Function-Addresses',
      'P-Served-User',
      'P-Profile-Key',
      'P-User-Database',
      'P-Visited-Network-ID',
      'P-Access-Network-Info',
      'P-Private-Network-Indication',
    ])
      expect(invite.all(name), name).toEqual([]);
    for (const name of ['P-Called-Party-ID', 'P-Asserted-Identity', 'P-Asserted-Service', 'P-Early-Media'])
      expect(invite.all(name), name).toHaveLength(1);
  });

  it('P-93 records Gm on top of Mw where they differ, and the Via is that of Gm', () => {
    start({ listeners: twoListeners, trusted: ['127.0.0.0/8'] });
    const token = register(worker, bob);
    worker.receive(coreRequest('INVITE', contact, [path(token, '127.0.0.1:5070')]), scscf, mw);
    const invite = worker.takeOne();
    expect(invite.header('Record-Route')).toBe(`<sip:${token}@127.0.0.1:5060;lr>, <sip:${token}@127.0.0.1:5070;lr>`);
    expect(invite.header('Via')).toContain('127.0.0.1:5060');
    expect([invite.to, invite.target.listener]).toEqual([bob.source, 0]);
  });

  it.each(['id', 'user; ID', 'header,id'])(
    'P-91 withholds the identity of a caller who wants Privacy %s',
    (privacy) => {
      start();
      const token = register(worker, bob);
      const sent = send('MESSAGE', [
        path(token),
        'P-Asserted-Identity: <sip:a@b>',
        'P-Asserted-Identity: <tel:+1>',
        `Privacy: ${privacy}`,
      ]);
      expect([sent.all('P-Asserted-Identity'), sent.header('Privacy')]).toEqual([[], privacy]);
    },
  );

  it('P-91 keeps the identity with Privacy none', () => {
    start();
    const token = register(worker, bob);
    const sent = send('MESSAGE', [path(token), 'P-Asserted-Identity: <sip:a@b>', 'Privacy: none']);
    expect(sent.header('P-Asserted-Identity')).toBe('<sip:a@b>');
  });

  it('P-90 X-I22 480 for a token that is not known, and for none', () => {
    start();
    register(worker, bob);
    for (const lines of [[path('AAAAAAAAAAAA')], ['Route: <sip:127.0.8.1:5060;lr>'], []]) {
      expect(send('INVITE', lines).status).toBe(480);
    }
    expect(worker.refusals).toEqual(['unknown-binding', 'unknown-binding', 'unknown-binding']);
  });

  it('P-94 waits with the timers of Gm and answers 408 for a silent UE', () => {
    start();
    const token = register(worker, bob);
    send('INVITE', [path(token)]);
    worker.advance(1_990);
    expect(worker.take().map(({ status }) => status)).toEqual([100]);
    worker.advance(20);
    expect(worker.takeOne().method).toBe('INVITE');
    worker.advance(125_000);
    expect(worker.take().some(({ status }) => status === 408)).toBe(false);
    worker.advance(1_200);
    expect(worker.takeOne().status).toBe(408);
    expect(worker.logic.registrations()).toBe(1);
  });

  it('P-94 480 at once when the UE cannot be reached, and the registration stays', () => {
    start();
    const token = register(worker, bob);
    worker.failSend(send('INVITE', [path(token)]));
    const response = worker.takeOne();
    expect([response.status, worker.logic.registrations()]).toEqual([480, 1]);
    expect(response.header('Warning')).toContain('ue-unreachable');
  });

  it('P-94 a MESSAGE to a silent UE ends with 480 before the sender gives up, never with 408', () => {
    start();
    const token = register(worker, bob);
    send('MESSAGE', [path(token)]);
    worker.advance(31_000);
    const finals = worker.take().filter(({ status }) => status >= 200);
    expect(finals.map(({ status }) => status)).toEqual([480]);
  });

  it('P-96 CANCEL takes the way of the INVITE', () => {
    start();
    const token = register(worker, bob);
    const text = coreRequest('INVITE', contact, [path(token), 'Call-ID: c1']);
    worker.receive(text, scscf);
    const invite = worker.takeOne();
    worker.answer(invite, 180);
    worker.take();
    worker.receive(
      text
        .replace(/^INVITE/, 'CANCEL')
        .replace(/(\d+) INVITE/, '$1 CANCEL')
        .replace(/Contact:.*\r\n/, ''),
      scscf,
    );
    const [ok, cancel] = worker.take();
    expect([ok!.status, cancel!.method, cancel!.to]).toEqual([200, 'CANCEL', bob.source]);
    worker.answer(cancel!, 200);
    worker.answer(invite, 487);
    const ends = worker.take();
    expect(ends.map(({ status, method }) => status || method)).toEqual(expect.arrayContaining(['ACK', 487]));
    expect(worker.logic.sessions()).toBe(0);
  });
});

describe('UEs on streams', () => {
  const stream = ue('bob', 'tcp 127.32.0.1:5070 #7');

  it('P-90 P-96 reuses the connection of the registration; when it is gone, connects to the contact', () => {
    start();
    const token = register(worker, stream, granted(stream), 1);
    const message = send('MESSAGE', [path(token)]);
    expect([message.to, message.target.connection]).toEqual(['tcp 127.32.0.1:5070', 7]);
    worker.failSend(message, 'closed');
    const again = worker.takeOne();
    expect([again.to, again.target.connection, again.method]).toEqual(['tcp 127.32.0.1:5070', 0, 'MESSAGE']);
    worker.failSend(again);
    expect(worker.takeOne().status).toBe(480);
  });

  it('P-90 430 when the flow of an outbound UE is gone: nothing else is tried', () => {
    start();
    const outbound = '<sip:bob@127.32.0.1:5070>;reg-id=1;+sip.instance="<urn:uuid:1>"';
    worker.receive(registerText(stream, ['Supported: outbound'], outbound), stream.source, 1);
    const forwarded = worker.takeOne();
    worker.answer(forwarded, 200, [`Contact: ${outbound};expires=60`]);
    worker.take();
    worker.failSend(send('INVITE', [path(tokenOf(forwarded))]), 'closed');
    expect(worker.takeOne().status).toBe(430);
  });

  it('P-90 never connects to a contact that is somewhere else than the UE', () => {
    start();
    worker.receive(registerText(stream, [], '<sip:bob@127.0.0.1:22;transport=tcp>'), stream.source, 1);
    const forwarded = worker.takeOne();
    worker.answer(forwarded, 200, ['Contact: <sip:bob@127.0.0.1:22;transport=tcp>;expires=60']);
    worker.take();
    worker.failSend(send('MESSAGE', [path(tokenOf(forwarded))]), 'closed');
    expect(worker.takeOne().status).toBe(480);
  });

  it('P-90 trusts no connection number from before a restart: it may be another UE now', () => {
    const store = openMemoryStore(pcscfTables);
    start({ store });
    const token = register(worker, stream, granted(stream), 1);
    expectQuiet(worker);
    start({ store, wallStartMs: Date.parse('2026-11-21T12:01:00Z') });
    expect(send('MESSAGE', [path(token)]).target.connection).toBe(0);
  });
});

describe('answers of a UE', () => {
  const called = [
    'P-Called-Party-ID: <sip:bob.private@ims.test>',
    'P-Charging-Vector: icid-value=c1;orig-ioi=home',
    `Record-Route: ${scscfEntry}`,
  ];

  it.each([
    ['the one that was called', [], '<sip:bob.private@ims.test>'],
    ['the one it prefers', ['P-Preferred-Identity: <sip:bob@ims.test>'], '<sip:bob@ims.test>'],
    ['not a foreign one', ['P-Preferred-Identity: <sip:boss@ims.test>'], '<sip:bob.private@ims.test>'],
    ['not what it asserts', ['P-Asserted-Identity: <sip:boss@ims.test>'], '<sip:bob.private@ims.test>'],
  ])('P-92 assert %s, with the charging vector of the request', (_name, lines, asserted) => {
    start();
    const token = register(worker, bob);
    const invite = send('INVITE', [path(token), ...called]);
    worker.answer(invite, 200, [
      'Contact: <sip:bob@127.32.0.1:5070>',
      'P-Charging-Vector: icid-value=forged',
      ...lines,
    ]);
    const ok = worker.takeOne();
    expect(ok.to).toBe(scscf);
    expect(ok.all('P-Asserted-Identity')).toEqual([asserted]);
    expect(ok.all('P-Preferred-Identity')).toEqual([]);
    expect(ok.all('P-Charging-Vector')).toEqual(['icid-value=c1;orig-ioi=home']);
  });

  it('P-92 the default identity answers when nobody says who was called', () => {
    start();
    const token = register(worker, bob);
    worker.answer(send('MESSAGE', [path(token)]), 200);
    expect(worker.takeOne().header('P-Asserted-Identity')).toBe('<sip:bob@ims.test>');
  });

  it('P-92 a refusal asserts nobody', () => {
    start();
    const token = register(worker, bob);
    worker.answer(send('MESSAGE', [path(token)]), 486, ['P-Asserted-Identity: <sip:boss@ims.test>']);
    expect(worker.takeOne().all('P-Asserted-Identity')).toEqual([]);
  });

  it('X-I5 have their Via and Record-Route put right', () => {
    start();
    const token = register(worker, bob);
    const invite = send('INVITE', [path(token), ...called]);
    const vias = invite.all('Via');
    const own = `<sip:${token}@127.0.8.1:5060;lr>`;
    const lines = [
      'SIP/2.0 200 OK',
      `Via: ${vias[0]}`,
      'Via: SIP/2.0/UDP 203.0.113.1:5060;branch=z9hG4bKevil',
      `Record-Route: <sip:evil.example;lr>, ${own}`,
      ...['From', 'To', 'Call-ID', 'CSeq'].map(
        (name) => `${name}: ${invite.header(name)}${name === 'To' ? ';tag=b' : ''}`,
      ),
      'Contact: <sip:bob@127.32.0.1:5070>',
      'Content-Length: 0',
    ];
    worker.receive(`${lines.join('\r\n')}\r\n\r\n`, bob.source);
    const ok = worker.takeOne();
    expect(ok.to).toBe(scscf);
    expect(ok.all('Via')).toEqual([vias[1]]);
    expect(ok.all('Record-Route').join(', ')).toBe(`${own}, ${scscfEntry}`);
  });

  it('X-I5 the way back may be spread over lines as the UE likes', () => {
    start();
    const token = register(worker, bob);
    const invite = send('INVITE', [path(token), ...called]);
    const own = `<sip:${token}@127.0.8.1:5060;lr>`;
    const lines = [
      'SIP/2.0 180 Ringing',
      `v: ${invite.all('Via').join(', ')}`,
      `Record-Route: ${own}, ${scscfEntry}`,
      ...['From', 'To', 'Call-ID', 'CSeq'].map(
        (name) => `${name}: ${invite.header(name)}${name === 'To' ? ';tag=b' : ''}`,
      ),
    ];
    worker.receive(`${lines.join('\r\n')}\r\n\r\n`, bob.source);
    expect(worker.takeOne().all('Record-Route')).toEqual([`${own}, ${scscfEntry}`]);
  });
});
