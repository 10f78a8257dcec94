import { RelayPool } from '#rtpengine/relay-pool';
import type { AnchorMode, PcscfConfig } from '#service/config/pcscf-config';
import { LogLimiter } from '#service/log-limiter';
import type { NodeContext } from '#service/node-context';
import { anchorModes } from './media-anchor-policy.ts';

/** What media anchoring shares, in one worker. */
export interface AnchorSide {
  readonly pool: RelayPool;
  /** Logical interfaces of rtpengine towards the UEs and towards the core; undefined: it has one for both. */
  readonly interfaces: { readonly ue: string; readonly core: string } | undefined;
  /** What becomes of a call that cannot be anchored. */
  readonly onFailure: 'continue' | 'refuse';
  /** `media.anchor` of the network of a UE. */
  modeOf(address: string): AnchorMode;
  /** Counts and logs that the relay was asked in vain. */
  report(words: string, fields: Readonly<Record<string, unknown>>): void;
}

/** The media anchoring of one worker, null where the configuration names no rtpengine. Requirement P-142. */
export function openAnchorSide(context: NodeContext<PcscfConfig>): AnchorSide | null {
  const { clock, config, log } = context;
  const { interfaces, onFailure, rtpengine, timeout } = config.media;
  if (rtpengine.length === 0) return null;
  const limiter = new LogLimiter({ log, clock });
  let modeOf = anchorModes(config);
  context.onConfig((next) => {
    modeOf = anchorModes(next);
  });
  return {
    pool: new RelayPool({ relays: rtpengine, timeoutMs: timeout, nowMs: () => performance.now() }),
    interfaces,
    onFailure,
    modeOf: (address) => modeOf(address),
    report(words, fields) {
      context.count('media-anchor-failed');
      limiter.warn('media-anchor-unavailable', '', { words, ...fields }, 'rtpengine was asked in vain');
    },
  };
}
