import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../free-port.ts';
import { TransportLab } from './transport-lab.ts';

const roles = ['pcscf', 'icscf', 'scscf'] as const;
const ports = new Map<string, number>();
let lab: TransportLab;

beforeAll(async () => {
  for (const role of roles) ports.set(role, await freePort());
  lab = await TransportLab.start({
    change(contents) {
      for (const role of roles) contents[role].metrics = { listen: `tcp:127.0.0.1:${ports.get(role)}` };
    },
  });
}, 30_000);
afterAll(() => lab?.stop());

async function scrape(role: (typeof roles)[number]): Promise<Map<string, number>> {
  const response = await fetch(`http://127.0.0.1:${ports.get(role)}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const samples = new Map<string, number>();
  for (const line of (await response.text()).split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const sample = /^([a-z_]+\{[^}]*\}) ([-+.e\d]+)$/.exec(line);
    expect(sample, line).not.toBeNull();
    samples.set(sample![1]!.replace(/role="\w+",node="[\w.]+",?/, ''), Number(sample![2]));
  }
  return samples;
}

describe('GET /metrics', () => {
  it('P-146 tells what registrations and calls became of, at each node', async () => {
    const [alice] = [await lab.phone(1), await lab.phone(2)];
    const call = alice.ue.call('sip:user000002@ims.test');
    expect(await call.answered).toBe(true);
    call.hangUp();
    await call.ended;
    for (const role of roles) {
      const samples = await scrape(role);
      expect(samples.get('cscf_registration_attempts_total{result="ok",reason="sip-200"}'), role).toBe(2);
      expect(samples.get('cscf_registration_attempts_total{result="challenged",reason="sip-401"}'), role).toBe(2);
      expect(samples.get('cscf_sip_request_duration_seconds_count{method="REGISTER"}'), role).toBe(4);
      // The P-CSCF and the S-CSCF stand on both sides of the call.
      const times = role === 'icscf' ? 1 : 2;
      expect(samples.get('cscf_session_attempts_total{result="answered",reason="sip-200"}'), role).toBe(times);
      expect(samples.get('cscf_session_setup_seconds_count{until="ringing"}'), role).toBe(times);
      expect(samples.get('cscf_worker_up{worker="0"}'), role).toBe(1);
      expect(samples.get('process_resident_memory_bytes{}') ?? 0, role).toBeGreaterThan(1e7);
      if (role !== 'pcscf') {
        expect([...samples].filter(([name]) => name.startsWith('cscf_diameter_peer_up')).map(([, up]) => up)).toEqual([
          1,
        ]);
      }
    }
  });

  it('serves nothing else, and nothing but reading', async () => {
    const url = `http://127.0.0.1:${ports.get('icscf')}`;
    expect((await fetch(`${url}/`)).status).toBe(404);
    expect((await fetch(`${url}/metrics`, { method: 'POST', body: 'x' })).status).toBe(405);
  });
});
