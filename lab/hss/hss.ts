import { DiameterClient } from '#diameter/client';
import { readHopByHop } from '#diameter/codec/message';
import { cxApplication, cxCommands, cxDictionary } from '#diameter/dictionary/cx';
import { workerOf } from '#diameter/hop-by-hop';
import type { PeerEventReport } from '#diameter/peer/peer';
import { type PeerStatus, PeerTable } from '#diameter/peer/peer-table';
import { openTrace, type TraceSink } from '#manage/trace-recorder';
import type { HssConfig } from '#service/config-shape';
import { openLmdbStore } from '#store/lmdb-store';
import { openMemoryStore } from '#store/memory-store';
import type { Store } from '#store/store';
import { AuthenticationCentre } from './authentication-centre.ts';
import {
  answerLocationInfo,
  answerMultimediaAuth,
  answerServerAssignment,
  answerUserAuthorization,
  type CxContext,
} from './cx-procedures.ts';
import { SubscriberStates, subscriberTableName } from './subscriber-state.ts';
import { SubscriberTable } from './subscriber-table.ts';

export interface HssOptions {
  /** Folder of the registration states; null: in memory only. */
  readonly state: string | null;
  /** Milliseconds since 1970. */
  readonly wallMs?: () => number;
  /** What happens to peers, and what goes wrong. */
  readonly report?: (event: PeerEventReport | { readonly words: string }) => void;
  /** Where messages are traced; by default what the environment asks for. */
  readonly trace?: TraceSink | null;
}

/** A running HSS. */
export interface Hss {
  readonly address: string;
  readonly port: number;
  readonly subscribers: number;
  /** Subscribers that were asked for since the start and are registered. */
  readonly registered: number;
  peers(): PeerStatus[];
  /** Says farewell to the peers and writes what is not written. */
  close(): Promise<void>;
}

/**
 * Starts the lab's HSS with its AuC: the answering side of Cx over TCP, for whoever connects. What changes a
 * subscriber's state is in the store before the answer leaves.
 *
 * Rejects when the address or the state's folder cannot be had, or subscribers or profiles are wrong.
 * Source: TS 29.228 6.1, 6.3; RFC 6733 5.
 */
export async function startHss(config: HssConfig, options: HssOptions): Promise<Hss> {
  const { report = () => {}, wallMs = Date.now } = options;
  const subscribers = new SubscriberTable(config.subscribers, config.domain);
  const tables = [subscriberTableName];
  const store: Store =
    options.state === null ? openMemoryStore(tables) : await openLmdbStore({ path: options.state, tables });
  const states = new SubscriberStates(store);
  const context: CxContext = {
    domain: config.domain,
    subscribers,
    states,
    centre: new AuthenticationCentre(wallMs),
  };
  const trace = options.trace === undefined ? openTrace('hss') : options.trace;
  const identity = { originHost: config.name, originRealm: config.realm };

  const answers: Buffer[] = [];
  const flush = () => {
    try {
      states.commit();
    } catch (error) {
      report({ words: `registration states could not be written: ${(error as Error).message}` });
    }
    for (const message of answers.splice(0)) {
      trace?.diameter('out', message);
      table.answer(message);
    }
  };
  const client = new DiameterClient(
    {
      send: (message, route) => {
        if (!table.send(message, route)) client.onFailed(readHopByHop(message), 'no-peer');
      },
      answer: (message) => {
        if (answers.push(message) === 1) setImmediate(flush);
      },
    },
    { worker: 0, identity, dictionary: cxDictionary },
  );
  const table = new PeerTable(
    {
      onAnswer: (message) => {
        if (workerOf(readHopByHop(message)) === 0) client.onMessage(message);
      },
      onRequest: (message) => {
        trace?.diameter('in', message);
        client.onMessage(message);
      },
      onLost: (hopByHop) => client.onFailed(hopByHop, 'peer-lost'),
      onEvent: report,
    },
    { identity, applications: [cxApplication], peers: [], acceptUnknown: true, productName: 'IMS CSCF lab HSS' },
  );
  client.handle(cxCommands.userAuthorization, (request) => answerUserAuthorization(context, request));
  client.handle(cxCommands.multimediaAuth, (request) => answerMultimediaAuth(context, request));
  client.handle(cxCommands.serverAssignment, (request) => answerServerAssignment(context, request));
  client.handle(cxCommands.locationInfo, (request) => answerLocationInfo(context, request));

  try {
    const { address, port } = await table.listen(config.listen.port, config.listen.address);
    return {
      address,
      port,
      subscribers: subscribers.count,
      get registered() {
        return states.registered;
      },
      peers: () => table.status(),
      async close() {
        await table.stop();
        client.stop();
        states.commit();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}
