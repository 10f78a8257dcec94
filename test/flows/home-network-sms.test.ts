import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from './resilient-lab.ts';

const lab = fileURLToPath(new URL('../../bin/lab', import.meta.url));

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  output: string;
}

function run(...words: string[]): Running {
  const child = spawn(lab, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  const made: Running = { child, output: '', ended: new Promise((resolve) => child.once('close', resolve)) };
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (made.output += chunk));
  }
  return made;
}

const has = (running: Running, words: string) =>
  until(`"${words}" in ${running.output}`, () => running.output.includes(words), 20_000);

/** The users of config/hss.yaml whose profiles name the application server, on the network of `lab up`. */
describe('the services of config/hss.yaml', () => {
  let network: Running;
  let proxy = '';
  const phones: Running[] = [];
  const phone = (...words: string[]) => {
    const made = run('ue', ...words, '--proxy', proxy);
    phones.push(made);
    return made;
  };

  beforeAll(async () => {
    network = run('up', '--free-ports', '--json');
    await has(network, '"done":true');
    proxy = `127.0.0.1:${/"gm":([0-9]+)/.exec(network.output)![1]}`;
  }, 40_000);
  afterAll(async () => {
    for (const { child } of phones) child.kill('SIGINT');
    await Promise.all(phones.map(({ ended }) => ended));
    network.child.kill('SIGINT');
    expect(await network.ended).toBe(0);
  }, 20_000);

  it('S-127 a short message waits until its recipient registers, and is delivered with reports of both', async () => {
    const sender = phone('sms', '+15550004', 'see you at 8', '--user', 'carol');
    expect(await sender.ended, sender.output).toBe(0);
    expect(sender.output).toContain('accepted: the service centre has it');
    const recipient = phone('answer', '--user', 'dave');
    await has(recipient, 'sms from +15550003: see you at 8');
    const second = phone('sms', 'tel:+15550004', 'and bring the \u20ac 5 \u263a', '--user', 'carol');
    expect(await second.ended, second.output).toBe(0);
    await has(recipient, 'sms from +15550003: and bring the \u20ac 5 \u263a');
    // The application server of the lab reports to the ladder as the nodes do.
    await expect
      .poll(() => new Set(network.output.match(/"(?:from|to)":"AS"/g)), { timeout: 5_000 })
      .toEqual(new Set(['"from":"AS"', '"to":"AS"']));
  }, 40_000);

  it('S-127 a phone without that service hears that nobody takes its short message', async () => {
    const sender = phone('sms', '+15550004', 'x', '--user', 'user000009');
    expect(await sender.ended).toBe(1);
    expect(sender.output).toMatch(/not accepted: (604|404)/);
  }, 20_000);

  it('S-94 calls of and to carol pass the application server', async () => {
    const carol = phone('answer', '--user', 'carol', '--after', '0');
    await has(carol, 'waiting for calls');
    const call = phone('call', 'sip:carol@ims.test', '--user', 'dave', '--seconds', '0.2');
    expect(await call.ended, call.output).toBe(0);
    expect(carol.output).toContain('call from sip:dave@ims.test');
  }, 30_000);

  it('S-96 S-84 calls to erin go to bob while erin is registered, else an announcement ends in 480', async () => {
    const away = phone('call', 'sip:erin@ims.test', '--user', 'user000010');
    expect(await away.ended, away.output).toBe(1);
    expect(away.output).toContain('not answered: 480');
    const erin = phone('answer', '--user', 'erin');
    await has(erin, 'waiting for calls');
    // Bob is a phone of the lab itself, and answers.
    const call = phone('call', 'tel:+15550005', '--user', 'user000010', '--seconds', '0.2');
    expect(await call.ended, call.output).toBe(0);
    expect(erin.output).not.toContain('call from');
  }, 30_000);

  it('S-24 S-26 S-122 both phones of grace ring by any name of hers', async () => {
    const phonesOfGrace = ['grace-mobile', 'grace-home'].map((user) => phone('answer', '--user', user, '--after', '5'));
    for (const each of phonesOfGrace) await has(each, 'waiting for calls');
    expect(phonesOfGrace[0]!.output).toContain('as sip:grace@ims.test, tel:+15550006, sip:grace-!.*!@ims.test');
    const call = phone('call', 'sip:grace-office@ims.test', '--user', 'user000011', '--seconds', '0.2');
    for (const each of phonesOfGrace) await has(each, 'call from sip:user000011@ims.test');
    call.child.kill('SIGINT');
    await call.ended;
    const hidden = phone('call', 'sip:grace.hidden@ims.test', '--user', 'user000011');
    expect(await hidden.ended).toBe(1);
    expect(hidden.output).toContain('not answered: 404');
  }, 30_000);
});
