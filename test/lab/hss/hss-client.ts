import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiameterClient, type RequestHandler } from '#diameter/client';
import { decodeMessage } from '#diameter/codec/decode';
import { type DiameterMessage, readHopByHop } from '#diameter/codec/message';
import { CxClient } from '#diameter/cx/cx-client';
import { cxApplication, cxDictionary } from '#diameter/dictionary/cx';
import type { CommandDefinition } from '#diameter/dictionary/dictionary';
import { DecodeFailure } from '#diameter/errors';
import { PeerTable } from '#diameter/peer/peer-table';
import type { HssConfig, SubscriberConfig } from '#service/config/hss-config';

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

export function hssConfig(
  subscribers: readonly SubscriberConfig[],
  port = 0,
  more: Partial<HssConfig> = {},
): HssConfig {
  return {
    role: 'hss',
    name: 'hss.ims.test',
    realm: 'ims.test',
    domain: 'ims.test',
    listen: { transport: 'tcp', address: '127.0.0.1', port },
    profiles: {},
    subscribers,
    servers: [],
    keepServerName: true,
    enforce: false,
    management: { socket: '' },
    log: { level: 'silent', format: 'json' },
    drain: 1,
    ...more,
  };
}

export interface TestClient {
  readonly cx: CxClient;
  /** Serves requests of the HSS. */
  handle(command: CommandDefinition, handler: RequestHandler): void;
  /** Sends octets as they are, gives the answer. */
  raw(request: Buffer): Promise<DiameterMessage>;
  close(): Promise<void>;
}

/** A CSCF's end of Cx, connected to the HSS. */
export async function connectCx(
  port: number,
  originHost = 'scscf.ims.test',
  hss = 'hss.ims.test',
): Promise<TestClient> {
  const identity = { originHost, originRealm: 'ims.test' };
  let up = () => {};
  const connected = new Promise<void>((resolve) => (up = resolve));
  const raws = new Map<number, (answer: DiameterMessage) => void>();
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
      onAnswer: (message) => {
        const raw = raws.get(readHopByHop(message));
        if (raw === undefined) return client.onMessage(message);
        raws.delete(readHopByHop(message));
        const answer = decodeMessage(message, cxDictionary);
        if (answer instanceof DecodeFailure) throw new Error(answer.reason);
        raw(answer);
      },
      onRequest: (message) => client.onMessage(message),
      onLost: (hopByHop) => client.onFailed(hopByHop, 'peer-lost'),
      onEvent: ({ state }) => {
        if (state === 'open-initiator') up();
      },
    },
    { identity, applications: [cxApplication], peers: [{ host: hss, address: '127.0.0.1', port }] },
  );
  table.start();
  await connected;
  return {
    cx: new CxClient(client, { homeRealm: 'ims.test' }),
    handle: (command, handler) => client.handle(command, handler),
    raw: (request) =>
      new Promise((resolve) => {
        raws.set(readHopByHop(request), resolve);
        table.send(request, { application: cxApplication.id, realm: 'ims.test', host: hss });
      }),
    async close() {
      await table.stop();
      client.stop();
    },
  };
}

/** An answer that came. */
export function answered<T extends { failure?: unknown }>(answer: T): Exclude<T, { failure: string }> {
  if (answer.failure !== undefined) throw new Error(`no answer: ${String(answer.failure)}`);
  return answer as Exclude<T, { failure: string }>;
}
