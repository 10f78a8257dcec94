import { EspReceiver } from '../esp-receiver.ts';
import { EspSender } from '../esp-sender.ts';
import { transformOf } from '../esp-transform.ts';
import { IpsecError } from '../ipsec-backend.ts';
import type { InstalledAssociation, SecurityAssociation } from '../security-association.ts';
import { addressOctets, flowOf, socketAddress } from './ip-packet.ts';

interface Entry {
  readonly association: InstalledAssociation;
  /** On the clock of the caller, seconds. */
  endsAt: number;
}

/** An association that opens what comes. */
export interface InboundEntry extends Entry {
  readonly receiver: EspReceiver;
  readonly source: Buffer;
  readonly destination: Buffer;
  /** The struct sockaddr of `destination`. */
  readonly name: Buffer;
}

/** An association that seals what goes. */
export interface OutboundEntry extends Entry {
  readonly sender: EspSender;
  readonly flow: string;
  /** The struct sockaddr of the peer. */
  readonly name: Buffer;
}

/**
 * The associations of a data path, found by what lies in a packet.
 * Source: RFC 4301 4.4.2; requirements P-35, P-39.
 */
export class AssociationTable {
  readonly #replayWindow: number;
  /** By local address, then SPI. */
  readonly #inbound = new Map<string, Map<number, InboundEntry>>();
  readonly #outbound = new Map<string, OutboundEntry>();
  /** Of several with one flow the last is used. */
  readonly #flows = new Map<string, OutboundEntry[]>();

  constructor(replayWindow: number) {
    this.#replayWindow = replayWindow;
  }

  /** Adds all of them, or throws IpsecError and adds none. `now`: seconds. */
  add(associations: readonly SecurityAssociation[], now: number): void {
    const added: SecurityAssociation[] = [];
    try {
      for (const association of associations) {
        this.#addOne(association, now);
        added.push(association);
      }
    } catch (error) {
      this.remove(added);
      throw error;
    }
  }

  /** Removes those that are there. */
  remove(associations: readonly InstalledAssociation[]): void {
    for (const association of associations) {
      const entry = this.#find(association);
      if (entry) this.#removeEntry(entry);
    }
  }

  /** Lets them end at another time. Throws IpsecError, and changes none, when one is not there. */
  extend(associations: readonly InstalledAssociation[], endsAt: number): void {
    const entries = associations.map((association) => {
      const entry = this.#find(association);
      if (entry) return entry;
      const { spi, destination } = association;
      throw new IpsecError('ERR_IPSEC_FAILED', `there is no association with SPI ${spi} to ${destination.address}`);
    });
    for (const entry of entries) entry.endsAt = endsAt;
  }

  /** Removes those whose time has come. */
  expire(now: number): void {
    for (const entry of this.#entries()) if (entry.endsAt <= now) this.#removeEntry(entry);
  }

  list(): InstalledAssociation[] {
    return this.#entries().map(({ association }) => association);
  }

  /** The one that opens packets with this SPI to a local address. */
  inbound(localAddress: string, spi: number): InboundEntry | undefined {
    return this.#inbound.get(localAddress)?.get(spi);
  }

  /** The one that seals the packets of a flow. */
  outbound(flow: string): OutboundEntry | undefined {
    return this.#flows.get(flow)?.at(-1);
  }

  #addOne(association: SecurityAssociation, now: number): void {
    const { direction, source, destination, spi } = association;
    if (!Number.isInteger(spi) || spi < 256 || spi > 0xffffffff) {
      throw new IpsecError('ERR_IPSEC_FAILED', `SPI ${spi} is not between 256 and 4294967295`);
    }
    if (this.#find(association)) {
      throw new IpsecError('ERR_IPSEC_EXISTS', `there is an association with SPI ${spi} to ${destination.address}`);
    }
    const transform = transformOf(association);
    // Without the keys: they live in the transform only.
    const installed = { direction, source, destination, spi };
    const entry = { association: installed, endsAt: now + association.lifetimeSeconds };
    const name = socketAddress(addressOctets(destination.address));
    if (direction === 'in') {
      const ends = { source: addressOctets(source.address), destination: addressOctets(destination.address) };
      const receiver = new EspReceiver(transform, this.#replayWindow);
      const ofAddress = this.#inbound.get(destination.address) ?? new Map<number, InboundEntry>();
      this.#inbound.set(destination.address, ofAddress.set(spi, { ...entry, ...ends, name, receiver }));
      return;
    }
    const flow = flowOf(association);
    const sender = new EspSender(transform, spi, association.firstSequence);
    const outbound: OutboundEntry = { ...entry, flow, name, sender };
    this.#outbound.set(outboundKey(association), outbound);
    this.#flows.set(flow, [...(this.#flows.get(flow) ?? []), outbound]);
  }

  #find(association: InstalledAssociation): InboundEntry | OutboundEntry | undefined {
    return association.direction === 'in'
      ? this.inbound(association.destination.address, association.spi)
      : this.#outbound.get(outboundKey(association));
  }

  #removeEntry(entry: InboundEntry | OutboundEntry): void {
    const { association } = entry;
    if ('receiver' in entry) {
      const { address } = association.destination;
      const ofAddress = this.#inbound.get(address);
      ofAddress?.delete(association.spi);
      if (ofAddress?.size === 0) this.#inbound.delete(address);
      return;
    }
    this.#outbound.delete(outboundKey(association));
    const left = this.#flows.get(entry.flow)?.filter((other) => other !== entry) ?? [];
    if (left.length > 0) this.#flows.set(entry.flow, left);
    else this.#flows.delete(entry.flow);
  }

  #entries(): (InboundEntry | OutboundEntry)[] {
    return [...[...this.#inbound.values()].flatMap((ofAddress) => [...ofAddress.values()]), ...this.#outbound.values()];
  }
}

function outboundKey({ destination, spi }: InstalledAssociation): string {
  return `${destination.address} ${spi}`;
}
