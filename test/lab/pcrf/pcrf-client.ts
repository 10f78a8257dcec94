import { DiameterClient } from '#diameter/client';
import { systemClock } from '#diameter/clock';
import { decodeMessage } from '#diameter/codec/decode';
import { type DiameterMessage, readHopByHop } from '#diameter/codec/message';
import { rxApplication, rxDictionary } from '#diameter/dictionary/rx';
import { DecodeFailure } from '#diameter/errors';
import { PeerTable } from '#diameter/peer/peer-table';
import type { MediaComponent } from '#diameter/rx/media-component';
import { RxClient } from '#diameter/rx/rx-client';
import type { AaRequest, AaService } from '#diameter/rx/rx-requests';
import { RxSessions } from '#diameter/rx/rx-sessions';
import { flowStatuses, flowUsages, mediaTypes, specificActions, subscriptionIdTypes } from '#diameter/rx/rx-values';
import { type Pcrf, type PcrfOptions, startPcrf } from '#lab/pcrf/pcrf';
import type { PcrfConfig, PcrfRuleConfig } from '#service/config/pcrf-config';

export function pcrfConfig(more: Partial<PcrfConfig> = {}): PcrfConfig {
  return {
    role: 'pcrf',
    name: 'pcrf.epc.test',
    realm: 'epc.test',
    listen: { transport: 'tcp', address: '127.0.0.1', port: 0 },
    rules: [],
    enforce: false,
    management: { socket: '' },
    log: { level: 'silent', format: 'json' },
    drain: 1,
    ...more,
  };
}

export function rule(more: Partial<PcrfRuleConfig>): PcrfRuleConfig {
  return { name: 'rule 1', match: {}, action: 'accept', delay: 0, ...more };
}

/** What runs in a test; `close` ends all of it, the latest first. */
export function running() {
  const open: { close(): Promise<void> }[] = [];
  return {
    async pcrf(config: Partial<PcrfConfig> = {}, options: PcrfOptions = {}): Promise<Pcrf> {
      const pcrf = await startPcrf(pcrfConfig(config), { trace: null, ...options });
      open.push(pcrf);
      return pcrf;
    },
    async pcscf(port: number, host?: string, originStateId?: number): Promise<TestPcscf> {
      const pcscf = await connectRx(port, host, originStateId);
      open.push(pcscf);
      return pcscf;
    },
    async close(): Promise<void> {
      for (const each of open.splice(0).reverse()) await each.close();
    },
  };
}

export interface TestPcscf {
  readonly client: DiameterClient;
  readonly rx: RxClient;
  readonly sessions: RxSessions;
  /** Sends octets as they are, gives the answer. */
  raw(request: Buffer): Promise<DiameterMessage>;
  close(): Promise<void>;
}

/** A P-CSCF's end of Rx, connected to the PCRF. */
export async function connectRx(
  port: number,
  originHost = 'pcscf.ims.test',
  originStateId?: number,
): Promise<TestPcscf> {
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
    {
      worker: 0,
      identity,
      dictionary: rxDictionary,
      timeoutMs: 2000,
      ...(originStateId === undefined ? {} : { bootSeconds: originStateId }),
    },
  );
  const table = new PeerTable(
    {
      onAnswer: (message) => {
        const raw = raws.get(readHopByHop(message));
        if (raw === undefined) return client.onMessage(message);
        raws.delete(readHopByHop(message));
        const answer = decodeMessage(message, rxDictionary);
        if (answer instanceof DecodeFailure) throw new Error(answer.reason);
        raw(answer);
      },
      onRequest: (message) => client.onMessage(message),
      onLost: (hopByHop) => client.onFailed(hopByHop, 'peer-lost'),
      onEvent: ({ state }) => {
        if (state === 'open-initiator') up();
      },
    },
    {
      identity,
      applications: [rxApplication],
      peers: [{ host: 'pcrf.epc.test', address: '127.0.0.1', port }],
      ...(originStateId === undefined ? {} : { originStateId }),
    },
  );
  table.start();
  await connected;
  const rx = new RxClient(client, { realm: 'epc.test', originStateId });
  const sessions = new RxSessions({
    port: rx,
    clock: systemClock,
    onDefect: (error) => {
      throw error;
    },
  });
  sessions.serve((command, handler) => client.handle(command, handler));
  return {
    client,
    rx,
    sessions,
    raw: (request) =>
      new Promise((resolve) => {
        raws.set(readHopByHop(request), resolve);
        table.send(request, { application: rxApplication.id, realm: 'epc.test', host: 'pcrf.epc.test' });
      }),
    async close() {
      await table.stop();
      client.stop();
    },
  };
}

export const ueAddress = '10.46.0.5';

/** Component 1 of the worked example of a call. */
export function audio(more: Partial<MediaComponent> = {}): MediaComponent {
  const filters = (remote: number, ue: number) => [
    `permit out 17 from 10.46.0.9 ${remote} to ${ueAddress} ${ue}`,
    `permit in 17 from ${ueAddress} ${ue} to 10.46.0.9 ${remote}`,
  ];
  return {
    number: 1,
    subComponents: [
      { flowNumber: 1, flowDescriptions: filters(50010, 49152), flowUsage: flowUsages.NO_INFORMATION },
      { flowNumber: 2, flowDescriptions: filters(50011, 49153), flowUsage: flowUsages.RTCP },
    ],
    mediaType: mediaTypes.AUDIO,
    maxUplink: 38_000,
    maxDownlink: 41_000,
    minUplink: 38_000,
    minDownlink: 41_000,
    flowStatus: flowStatuses.ENABLED,
    rsBandwidth: 600,
    rrBandwidth: 2000,
    codecData: [
      'uplink\noffer\nm=audio 49152 RTP/AVP 104 102\nb=AS:41\na=rtpmap:104 AMR-WB/16000/1\na=rtpmap:102 AMR/8000/1\n',
      'downlink\nanswer\nm=audio 50010 RTP/AVP 104\nb=AS:38\na=rtpmap:104 AMR-WB/16000/1\n',
    ],
    ...more,
  };
}

/** A component of video beside the audio. */
export function video(more: Partial<MediaComponent> = {}): MediaComponent {
  const filters = [
    `permit out 17 from 10.46.0.9 50020 to ${ueAddress} 49160`,
    `permit in 17 from ${ueAddress} 49160 to 10.46.0.9 50020`,
  ];
  return {
    number: 2,
    subComponents: [{ flowNumber: 1, flowDescriptions: filters, flowUsage: flowUsages.NO_INFORMATION }],
    mediaType: mediaTypes.VIDEO,
    maxUplink: 512_000,
    maxDownlink: 512_000,
    flowStatus: flowStatuses.ENABLED,
    codecData: [
      'uplink\noffer\nm=video 49160 RTP/AVP 98\na=rtpmap:98 H264/90000\n',
      'downlink\nanswer\nm=video 50020 RTP/AVP 98\na=rtpmap:98 H264/90000\n',
    ],
    ...more,
  };
}

/** What a P-CSCF tells of a registration. */
export function signalling(): MediaComponent {
  const flow = { flowNumber: 0, flowDescriptions: [], flowUsage: flowUsages.AF_SIGNALLING, signallingProtocol: 1 };
  return {
    number: 0,
    subComponents: [flow],
    mediaType: mediaTypes.CONTROL,
    flowStatus: flowStatuses.ENABLED,
    codecData: [],
  };
}

export function service(components: readonly MediaComponent[] = [audio()], more: Partial<AaService> = {}): AaService {
  return {
    applicationIdentifier: 'urn:urn-7:3gpp-service.ims.icsi.mmtel',
    mediaComponents: components,
    chargingIdentifier: 'icid-0a1b2c',
    specificActions: [
      specificActions.INDICATION_OF_LOSS_OF_BEARER,
      specificActions.INDICATION_OF_RELEASE_OF_BEARER,
      specificActions.INDICATION_OF_FAILED_RESOURCES_ALLOCATION,
    ],
    subscriptionIds: [{ type: subscriptionIdTypes.END_USER_SIP_URI, data: 'sip:alice@ims.test' }],
    framedAddress: { address: ueAddress, prefixLength: 32 },
    ...more,
  };
}

export function aar(sessionId: string, ...of: Parameters<typeof service>): AaRequest {
  return { sessionId, ...service(...of) };
}

/** An answer that came. */
export function answered<T extends { failure?: unknown }>(answer: T): Exclude<T, { failure: string }> {
  if (answer.failure !== undefined) throw new Error(`no answer: ${String(answer.failure)}`);
  return answer as Exclude<T, { failure: string }>;
}

/** Ids that were found, oddities in brackets. */
export function found(pcrf: Pcrf): string[] {
  return pcrf.findings
    .counts()
    .map(({ breach, id }) => (breach ? id : `(${id})`))
    .sort();
}
