import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiameterClient } from '#diameter/client';
import { readHopByHop } from '#diameter/codec/message';
import { CxClient } from '#diameter/cx/cx-client';
import { cxApplication, cxDictionary } from '#diameter/dictionary/cx';
import { PeerTable } from '#diameter/peer/peer-table';
import type { HssConfig, SubscriberConfig } from '#service/config-shape';

export const template = `<?xml version="1.0" encoding="UTF-8"?><!-- \${IMPI} -->
<IMSSubscription><PrivateID>\${IMPI}</PrivateID><ServiceProfile>
<PublicIdentity><Identity>\${IMPU}</Identity></PublicIdentity>
</ServiceProfile></IMSSubscription>`;

/** A folder with a profile template in it. */
export function temporaryFolder(profile = template): { folder: string; profile: string } {
  const folder = mkdtempSync(join(tmpdir(), 'hss-test-'));
  const file = join(folder, 'profile.xml');
  writeFileSync(file, profile);
  return { folder, profile: file };
}

export const aliceKey = { k: '465b5cc8b199b49faa5f0a2ee238a6bc', op: 'cdc202d5123e20f62b6d676ac72cb318', amf: '8000' };

export function hssConfig(subscribers: readonly SubscriberConfig[], port = 0): HssConfig {
  return {
    role: 'hss',
    name: 'hss.ims.test',
    realm: 'ims.test',
    domain: 'ims.test',
    listen: { transport: 'tcp', address: '127.0.0.1', port },
    profiles: {},
    subscribers,
    management: { socket: '' },
    log: { level: 'silent', format: 'json' },
    drain: 1,
  };
}

export interface TestClient {
  readonly cx: CxClient;
  close(): Promise<void>;
}

/** A CSCF's end of Cx, connected to the HSS. */
export async function connectCx(port: number, originHost = 'scscf.ims.test'): Promise<TestClient> {
  const identity = { originHost, originRealm: 'ims.test' };
  let up = () => {};
  const connected = new Promise<void>((resolve) => (up = resolve));
  const client = new DiameterClient(
    {
      send: (message, route) => {
        if (!table.send(message, route)) client.onFailed(readHopByHop(message), 'no-peer');
      },
      answer: (message) => table.answer(message),
    },
    { worker: 0, identity, dictionary: cxDictionary },
  );
  const table = new PeerTable(
    {
      onAnswer: (message) => client.onMessage(message),
      onRequest: (message) => client.onMessage(message),
      onLost: (hopByHop) => client.onFailed(hopByHop, 'peer-lost'),
      onEvent: ({ state }) => {
        if (state === 'open-initiator') up();
      },
    },
    { identity, applications: [cxApplication], peers: [{ host: 'hss.ims.test', address: '127.0.0.1', port }] },
  );
  table.start();
  await connected;
  return {
    cx: new CxClient(client, { homeRealm: 'ims.test' }),
    async close() {
      await table.stop();
      client.stop();
    },
  };
}
