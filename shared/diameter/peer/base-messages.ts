import { encodeAnswer, encodeRefusal, type Refusal } from '../answer.ts';
import { type Avp, avp } from '../codec/avp-types.ts';
import { encodeMessage } from '../codec/encode.ts';
import { type DiameterMessage, FLAG_REQUEST } from '../codec/message.ts';
import { baseApplication, baseAvps, baseCommands } from '../dictionary/base.ts';
import type { CommandDefinition } from '../dictionary/dictionary.ts';
import { resultCodes } from '../errors.ts';
import { baseResult } from '../result.ts';
import { capabilitiesAvps, type LocalCapabilities } from './capabilities.ts';
import type { Connection } from './connection.ts';
import { EndToEndIdentifiers } from './end-to-end.ts';

/** Encodes what neighbours say to each other, under our identity. Source: RFC 6733 5.3, 5.4, 5.5. */
export class BaseMessages {
  readonly #local: LocalCapabilities;
  readonly #hostIpAddresses: readonly string[];
  readonly #endToEnd: EndToEndIdentifiers;

  /** `hostIpAddresses` empty: the address of each connection. `random`: 0 up to 1. */
  constructor(local: LocalCapabilities, hostIpAddresses: readonly string[], random: () => number) {
    this.#local = local;
    this.#hostIpAddresses = hostIpAddresses;
    this.#endToEnd = new EndToEndIdentifiers(random);
  }

  cer(connection: Connection): Buffer {
    return this.#request(connection, baseCommands.capabilitiesExchange, this.#capabilities(connection));
  }

  cea(cer: DiameterMessage, connection: Connection): Buffer {
    return this.#success(cer, this.#capabilities(connection));
  }

  dwr(connection: Connection): Buffer {
    return this.#request(connection, baseCommands.deviceWatchdog, [this.#originStateId()]);
  }

  dwa(dwr: DiameterMessage): Buffer {
    return this.#success(dwr, [this.#originStateId()]);
  }

  dpr(connection: Connection, cause: number): Buffer {
    return this.#request(connection, baseCommands.disconnectPeer, [avp(baseAvps.disconnectCause, cause)]);
  }

  dpa(dpr: DiameterMessage): Buffer {
    return this.#success(dpr, []);
  }

  /** The refusal of a request that may be too damaged to decode. */
  refusal(request: Buffer, refusal: Refusal): Buffer {
    return encodeRefusal(request, this.#local.identity, refusal);
  }

  #capabilities(connection: Connection): Avp[] {
    const addresses = this.#hostIpAddresses.length > 0 ? this.#hostIpAddresses : [connection.localAddress];
    return capabilitiesAvps(this.#local, addresses);
  }

  #originStateId(): Avp {
    return avp(baseAvps.originStateId, this.#local.originStateId);
  }

  #request(connection: Connection, command: CommandDefinition, avps: readonly Avp[]): Buffer {
    const { originHost, originRealm } = this.#local.identity;
    return encodeMessage(
      {
        flags: FLAG_REQUEST,
        command: command.code,
        application: baseApplication.id,
        hopByHop: connection.nextHopByHop(),
        endToEnd: this.#endToEnd.next(),
      },
      [avp(baseAvps.originHost, originHost), avp(baseAvps.originRealm, originRealm), ...avps],
    );
  }

  #success(request: DiameterMessage, avps: readonly Avp[]): Buffer {
    const content = { result: baseResult(resultCodes.SUCCESS), avps };
    return encodeAnswer(request, baseApplication, this.#local.identity, content);
  }
}
