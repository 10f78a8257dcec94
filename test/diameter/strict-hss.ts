import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { DiameterClient } from '#diameter/client';
import { readHopByHop } from '#diameter/codec/message';
import { CxClient } from '#diameter/cx/cx-client';
import { baseAvps } from '#diameter/dictionary/base';
import { cxApplication, cxCommands, cxDictionary } from '#diameter/dictionary/cx';
import { PeerTable } from '#diameter/peer/peer-table';
import { baseResult } from '#diameter/result';
import { freePort } from '../free-port.ts';

const simulator = fileURLToPath(new URL('../../../shared/rigs/hss/hss.py', import.meta.url));

async function until(condition: () => boolean): Promise<void> {
  for (const endMs = Date.now() + 8000; Date.now() < endMs && !condition(); ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(condition()).toBe(true);
}

/** The tests against the rigs' simulator, where the rigs are beside the project; nothing needs them. */
export function describeStrictHss(): void {
  if (existsSync(simulator))
    describe('an independent strict HSS', () => {
      it('D-17 finds no fault in our UAR, MAR, SAR, LIR, RTA, CER, DWR and DPR', async () => {
        const [port, control] = [await freePort(), await freePort()];
        const hss = spawn(
          'python3',
          [
            simulator,
            '--listen',
            `127.0.0.1:${port}`,
            '--control',
            `127.0.0.1:${control}`,
            '--enforce',
            '--charging',
            'aaa://ccf.ims.test',
          ],
          { stdio: 'ignore' },
        );
        const identity = { originHost: 'scscf.ims.test', originRealm: 'ims.test' };
        const table: PeerTable = new PeerTable(
          {
            onAnswer: (message) => client.onMessage(message),
            onRequest: (message) => client.onMessage(message),
            onLost: (hopByHop) => client.onFailed(hopByHop, 'peer-lost'),
            onEvent: () => undefined,
          },
          {
            identity,
            applications: [cxApplication],
            peers: [{ host: 'hss.ims.test', address: '127.0.0.1', port }],
            reconnectMs: 100,
            reconnectCapMs: 100,
            watchdogMs: 50,
            watchdogJitterMs: 5,
          },
        );
        const client: DiameterClient = new DiameterClient(
          {
            send: (message, route) => {
              if (!table.send(message, route)) client.onFailed(readHopByHop(message), 'no-peer');
            },
            answer: (message) => table.answer(message),
          },
          { worker: 33, identity, dictionary: cxDictionary },
        );
        try {
          const terminated: (string | undefined)[] = [];
          client.handle(cxCommands.registrationTermination, (request) => {
            terminated.push(request.avps.text(baseAvps.userName));
            return { result: baseResult(2001), avps: [] };
          });
          table.start();
          await until(() => table.status()[0]?.state === 'open-initiator');
          const cx = new CxClient(client, { homeRealm: 'ims.test' });
          const impi = 'user000001@ims.test';
          const impu = 'sip:user000001@ims.test';
          const serverName = 'sip:scscf.ims.test:6060';
          const first = await cx.userAuthorization({
            impi,
            impu,
            visitedNetwork: 'ims.test',
            type: 0,
            emergency: false,
          });
          expect(first).toMatchObject({ result: { kind: 'experimental', code: 2001 } });
          const vectors = await cx.multimediaAuth({ impi, impu, serverName, scheme: 'Digest-AKAv1-MD5' });
          if (vectors.failure !== undefined) throw new Error(vectors.words);
          expect(vectors.items[0]?.rand?.length).toBe(16);
          expect(vectors.items[0]?.ck?.length).toBe(16);
          const digest = await cx.multimediaAuth({ impi, impu, serverName, scheme: 'SIP Digest' });
          if (digest.failure !== undefined) throw new Error(digest.words);
          expect(digest.items[0]?.digest?.realm).toBe('ims.test');
          const sar = { impi, impus: [impu], serverName, type: 1, userDataAlreadyAvailable: false };
          const assigned = await cx.serverAssignment(sar);
          if (assigned.failure !== undefined) throw new Error(assigned.words);
          expect(assigned.result).toMatchObject({ kind: 'base', code: 2001 });
          expect(assigned.userData?.toString('latin1')).toContain('<IMSSubscription>');
          expect(assigned.charging?.primaryCcf).toBe('aaa://ccf.ims.test');
          const host = assigned.originHost;
          expect(await cx.serverAssignment({ ...sar, type: 2, destinationHost: host })).toMatchObject({
            result: { code: 2001 },
          });
          expect(await cx.locationInfo({ impu, originating: true })).toMatchObject({ serverName });
          expect(await cx.locationInfo({ impu: 'tel:+1555000001' })).toMatchObject({ serverName });
          expect(await cx.locationInfo({ impu: 'sip:nobody@ims.test' })).toMatchObject({
            result: { kind: 'experimental', code: 5001 },
          });
          const rtr = await fetch(`http://127.0.0.1:${control}/rtr?n=1&reason=0`, { method: 'POST' });
          expect(rtr.ok).toBe(true);
          expect(terminated).toEqual([impi]);
          await new Promise((resolve) => setTimeout(resolve, 200));
          await table.stop();
          const violations = await (await fetch(`http://127.0.0.1:${control}/violations`)).text();
          expect(violations.replaceAll(/[[\]{}\s]/g, '')).toBe('');
        } finally {
          await table.stop();
          hss.kill('SIGTERM');
        }
      });
    });
}
