import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { DiameterClient } from '#diameter/client';
import { cxCommands, cxDictionary } from '#diameter/dictionary/cx';
import { RequestTally } from '#diameter/request-tally';
import {
  BusyMeter,
  cscfLayout,
  DiameterOutcomes,
  LagMeter,
  RequestCounters,
  SipMessageCounters,
} from '#service/metrics/cscf-metrics';
import { DiameterResults } from '#service/metrics/diameter-metrics';
import { Counters, MetricLayout, Metrics } from '#service/metrics/metrics';
import { metricsText } from '#service/metrics/metrics-text';

describe('counters in shared memory', () => {
  it('P-146 sums what worker threads count, and shows each of them', async () => {
    const metrics = new Metrics(cscfLayout);
    const rounds = [1000, 3000];
    await Promise.all(
      rounds.map(async (count, worker) => {
        const thread = new Worker(new URL('./metrics-worker.ts', import.meta.url), {
          workerData: { block: metrics.block(worker), rounds: count },
        });
        await once(thread, 'message');
        await thread.terminate();
      }),
    );
    expect(metrics.sum('cscf_sip_messages_total', { method: 'REGISTER', dir: 'in', transport: 'udp' })).toBe(4000);
    expect(metrics.sum('cscf_sip_messages_total', { code: '401' })).toBe(4000);
    expect(metrics.workers.map((worker) => metrics.sum('cscf_worker_messages_total', {}, worker))).toEqual(rounds);
    expect(metrics.by('cscf_refusals_total', 'reason')).toEqual(new Map([['no-dialog', 4000]]));
  });

  it('counts unknown methods and codes under their class', () => {
    const metrics = new Metrics(cscfLayout);
    const counters = new SipMessageCounters(new Counters(cscfLayout, metrics.block(0)));
    for (const method of ['FOO', 'constructor', 'INVITE']) counters.request('in', 'tls', method);
    for (const code of [200, 299, 418, 699, 99, 12_345]) counters.response('out', 'udp', code);
    expect(metrics.by('cscf_sip_messages_total', 'method')).toEqual(
      new Map([
        ['INVITE', 1],
        ['OTHER', 2],
      ]),
    );
    expect(metrics.by('cscf_sip_messages_total', 'code')).toEqual(
      new Map([
        ['200', 1],
        ['2xx', 1],
        ['4xx', 1],
        ['600', 2],
        ['6xx', 1],
      ]),
    );
  });

  it('D-20 counts what became of Diameter requests, each once', () => {
    const metrics = new Metrics(cscfLayout);
    const { counters: client } = new DiameterClient(
      { send: () => {}, answer: () => {} },
      { worker: 0, identity: { originHost: 'a.ims.test', originRealm: 'ims.test' }, dictionary: cxDictionary },
    );
    const outcomes = new DiameterOutcomes(new Counters(cscfLayout, metrics.block(0)), client);
    client.answers = 3;
    outcomes.take();
    client.answers = 4;
    client.timeouts = 1;
    outcomes.take();
    outcomes.take();
    expect(metrics.by('cscf_diameter_requests_total', 'result')).toEqual(
      new Map([
        ['answered', 4],
        ['timeout', 1],
      ]),
    );
  });

  it('D-20 counts Diameter requests by command and result, and how long they took, each once', () => {
    const metrics = new Metrics(cscfLayout);
    const tally = new RequestTally();
    const results = new DiameterResults(new Counters(cscfLayout, metrics.block(0)), tally);
    tally.answered(cxCommands.locationInfo, { kind: 'base', code: 2001, vendor: 0 }, 1.5);
    tally.answered(cxCommands.locationInfo, { kind: 'experimental', code: 5001, vendor: 10415 }, 7000);
    results.take();
    tally.answered(cxCommands.multimediaAuth, undefined, 0.2);
    tally.failed(cxCommands.multimediaAuth, 'timeout');
    results.take();
    results.take();
    expect(metrics.by('cscf_diameter_results_total', 'result')).toEqual(
      new Map([
        ['2001', 1],
        ['3GPP-5001', 1],
        ['none', 1],
        ['timeout', 1],
      ]),
    );
    const location = { command: 'Location-Info' };
    const below = (le: string) => metrics.sum('cscf_diameter_request_duration_seconds_bucket', { ...location, le });
    expect([below('0.001'), below('0.002'), below('5'), below('+Inf')]).toEqual([0, 1, 1, 2]);
    expect(metrics.sum('cscf_diameter_request_duration_seconds_count')).toBe(3);
    expect(metrics.sum('cscf_diameter_request_duration_seconds_sum', location)).toBeCloseTo(7.0015, 6);
  });

  it('bounds series that appear while running', () => {
    const layout = new MetricLayout([{ name: 'x_total', help: 'x', type: 'counter', dynamic: 'reason' }]);
    const metrics = new Metrics(layout);
    const counters = new Counters(layout, metrics.block(0));
    const head = layout.id('x_total');
    for (let i = 0; i < 1000; i++) counters.addDynamic(head, `reason-${i}`);
    for (let i = 0; i < 1000; i++) counters.addDynamic(head, `reason-${i}`);
    counters.addDynamic(head, 'y'.repeat(500));
    const reasons = metrics.by('x_total', 'reason');
    expect(reasons.size).toBe(256);
    expect(reasons.get('reason-0')).toBe(2);
    expect(metrics.sum('x_total')).toBe(2001);
    expect(reasons.get('other')).toBe(2001 - 255 * 2);
  });

  it('lets the next worker go on where the last one stopped', () => {
    const layout = new MetricLayout([
      { name: 'x_total', help: 'x', type: 'counter', labels: { app: ['cx', 'rx'] }, dynamic: 'result' },
    ]);
    const metrics = new Metrics(layout);
    for (let life = 0; life < 3; life++) {
      const counters = new Counters(layout, metrics.block(0));
      counters.addDynamic(layout.id('x_total', { app: 'rx' }), '2001');
      counters.addDynamic(layout.id('x_total', { app: 'cx' }), '2001', 5);
    }
    expect([metrics.sum('x_total', { app: 'rx', result: '2001' }), metrics.sum('x_total', { app: 'cx' })]).toEqual([
      3, 15,
    ]);
  });

  it('refuses a series that does not exist, and one that exists twice', () => {
    expect(() => cscfLayout.id('cscf_nothing')).toThrow(RangeError);
    const family = { name: 'a', help: 'a', type: 'gauge' } as const;
    expect(() => new MetricLayout([family, family])).toThrow('defined twice');
  });

  it('is written as Prometheus text, silent series left out', async () => {
    const metrics = new Metrics(cscfLayout);
    const counters = new Counters(cscfLayout, metrics.block(0));
    new SipMessageCounters(counters).request('in', 'udp', 'INVITE');
    counters.set(cscfLayout.id('cscf_registrations'), 12);
    counters.addDynamic(cscfLayout.id('cscf_malformed_total'), 'evil "quoted"\nreason');
    const text = await metricsText(metrics, { role: 'pcscf' });
    expect(text).toContain('cscf_sip_messages_total{role="pcscf",dir="in",transport="udp",method="INVITE"} 1\n');
    expect(text).toContain('cscf_registrations{role="pcscf"} 12\n');
    expect(text).toContain('cscf_malformed_total{role="pcscf",reason="evil \\"quoted\\"\\nreason"} 1\n');
    expect(text).not.toContain('method="BYE"');
  });

  it('P-146 tells attempts by result and reason, and times them as histograms', async () => {
    const metrics = new Metrics(cscfLayout);
    const requests = [0, 1].map((worker) => new RequestCounters(new Counters(cscfLayout, metrics.block(worker))));
    requests[0]!.answered('REGISTER', false, 401, 3, null);
    requests[1]!.answered('REGISTER', false, 200, 30, null);
    requests[0]!.answered('REGISTER', false, 403, 1, 'identity-unknown');
    requests[0]!.answered('REGISTER', false, 504, 6000, 'hss-timeout');
    requests[0]!.answered('INVITE', false, 200, 700, null);
    requests[0]!.answered('INVITE', true, 200, 700, null);
    requests[0]!.answered('INVITE', false, 486, 700, null);
    requests[0]!.answered('INVITE', false, 487, 700, null);
    requests[0]!.answered('INVITE', false, 503, 700, null);
    requests[0]!.answered('FOO', false, 500, 2, null);
    requests[0]!.ringing(false, 40);
    requests[0]!.ringing(true, 40);
    const lines = (await metricsText(metrics)).split('\n');
    expect(lines.filter((line) => line.startsWith('cscf_registration_attempts_total'))).toEqual([
      'cscf_registration_attempts_total{result="challenged",reason="sip-401"} 1',
      'cscf_registration_attempts_total{result="refused",reason="identity-unknown"} 1',
      'cscf_registration_attempts_total{result="failed",reason="hss-timeout"} 1',
      'cscf_registration_attempts_total{result="ok",reason="sip-200"} 1',
    ]);
    expect(metrics.by('cscf_session_attempts_total', 'result')).toEqual(
      new Map([
        ['answered', 1],
        ['refused', 1],
        ['canceled', 1],
        ['failed', 1],
      ]),
    );
    const register = lines.filter((line) => /^cscf_sip_request_duration_seconds.*REGISTER/.test(line));
    const counts = register.map((line) =>
      line.replace(/.*(_bucket|_sum|_count)\{(?:method="REGISTER",?)?(?:le="(.*)")?\}/, '$1 $2'),
    );
    expect(counts).toEqual(
      ['0.002 1', '0.005 2', '0.02 2', '0.05 3', '0.2 3', '0.5 3', '2 3', '5 3', '+Inf 4']
        .map((row) => `_bucket ${row}`)
        .concat('_sum  6.034', '_count  4'),
    );
    expect(lines).toContain('# TYPE cscf_sip_request_duration_seconds histogram');
    expect(lines).toContain('cscf_session_setup_seconds_count{until="ringing"} 1');
    expect(lines).toContain('cscf_session_setup_seconds_count{until="answered"} 1');
    expect(lines.some((line) => line.includes('method="BYE"'))).toBe(false);
  });

  it('tells threads apart where a sum would say nothing', async () => {
    const metrics = new Metrics(cscfLayout);
    for (const worker of [0, 1]) {
      new Counters(cscfLayout, metrics.block(worker)).set(cscfLayout.id('cscf_worker_busy_ratio'), (worker + 1) / 4);
    }
    const text = await metricsText(metrics);
    expect(text).toContain('cscf_worker_busy_ratio{worker="0"} 0.25\ncscf_worker_busy_ratio{worker="1"} 0.5\n');
    expect(metrics.sum('cscf_worker_busy_ratio', {}, 1)).toBe(0.5);
  });

  it('says how late a look at a thread was', () => {
    const lag = new LagMeter(1000);
    expect([5000, 6000, 7250, 8000].map((nowMs) => lag.sample(nowMs))).toEqual([0, 0, 250, 0]);
  });

  it('measures how busy a thread is', () => {
    const meter = new BusyMeter();
    for (const until = performance.now() + 30; performance.now() < until; );
    expect(meter.sample()).toBeGreaterThan(0.5);
    expect(meter.sample()).toBeLessThanOrEqual(1);
  });
});
