import { IpsecError } from '../ipsec-backend.ts';
import { ipsecErrorOf } from './kernel-fault.ts';
import { type NetlinkLibrary, netlinkLibrary } from './netlink-library.ts';
import { decodeAnswers, encodeRequest, type NetlinkAnswer, type NetlinkRequest } from './netlink-message.ts';
import {
  addAssociation,
  countAssociations,
  decodeAssociation,
  decodeCount,
  deleteAssociation,
  extendAssociation,
  getAssociation,
  listAssociations,
} from './xfrm-association.ts';
import type { AssociationName, GuardPolicy, KernelAssociation, XfrmChange, XfrmFault, XfrmLink } from './xfrm-link.ts';
import { decodeGuard, deleteGuard, listPolicies, setGuard } from './xfrm-policy.ts';

const familyNetlink = 16;
const rawCloseOnExec = 0o2000003;
const protocolXfrm = 6;
const levelSocket = 1;
const optionReceiveTimeout = 20;
const levelNetlink = 270;
const optionCapAck = 10;
const optionExtendedAck = 11;
const interrupted = 4;

/** So many requests go into one write: their acknowledgements fit into the socket's buffer. */
const requestsPerWrite = 64;
const dumpAttempts = 5;
const receiveBytes = 1 << 16;
/** The kernel answers within the call; the first use of an algorithm may load modules, which took seconds where slow. */
const answerSeconds = 30;

/** The answers to one request. */
interface Reply {
  readonly data: Buffer[];
  fault: XfrmFault | null;
}

/**
 * NETLINK_XFRM through koffi, in this thread's network namespace. Every request is acknowledged, and the kernel answers
 * before the write returns, so nothing waits here. What held keys is cleared after use.
 *
 * Throws IpsecError ERR_IPSEC_UNSUPPORTED where there is no koffi or no XFRM.
 * Source: RFC 3549 2.3; requirement P-39.
 */
export class NetlinkSocket implements XfrmLink {
  readonly name = 'netlink';
  readonly #lib: NetlinkLibrary;
  readonly #fd: number;
  readonly #received = Buffer.alloc(receiveBytes);
  #sequence = 0;
  #closed = false;

  constructor() {
    const library = netlinkLibrary();
    if (typeof library === 'string') throw new IpsecError('ERR_IPSEC_UNSUPPORTED', library);
    this.#lib = library;
    this.#fd = library.socket(familyNetlink, rawCloseOnExec, protocolXfrm);
    if (this.#fd < 0) throw ipsecErrorOf({ errno: library.errno(), text: null }, 'XFRM netlink can not be opened');
    const timeout = Buffer.alloc(16);
    timeout.writeUInt32LE(answerSeconds);
    library.setsockopt(this.#fd, levelSocket, optionReceiveTimeout, timeout, timeout.length);
    const on = Buffer.of(1, 0, 0, 0);
    // Without the first, the kernel would send every refused request back, keys and all.
    library.setsockopt(this.#fd, levelNetlink, optionCapAck, on, on.length);
    library.setsockopt(this.#fd, levelNetlink, optionExtendedAck, on, on.length);
  }

  async apply(changes: readonly XfrmChange[]): Promise<readonly (XfrmFault | null)[]> {
    return this.#ask(changes.map(requestOf)).map((reply) => reply.fault);
  }

  async associations(): Promise<readonly KernelAssociation[]> {
    return this.#dump(listAssociations(), decodeAssociation);
  }

  async count(): Promise<number> {
    const [reply] = this.#ask([countAssociations()]);
    if (reply!.fault !== null) throw ipsecErrorOf(reply!.fault, 'the kernel does not count');
    return reply!.data.reduce((_, payload) => decodeCount(payload), 0);
  }

  async find(names: readonly AssociationName[]): Promise<readonly (KernelAssociation | null)[]> {
    return this.#ask(names.map(getAssociation)).map(({ data }) => {
      const found = data[0] ? decodeAssociation(data[0]) : null;
      for (const payload of data) payload.fill(0);
      return found;
    });
  }

  async guards(): Promise<readonly GuardPolicy[]> {
    return this.#dump(listPolicies(), decodeGuard);
  }

  close(): void {
    if (!this.#closed) this.#lib.close(this.#fd);
    this.#closed = true;
  }

  /** Sends requests that are acknowledged one by one. */
  #ask(requests: readonly NetlinkRequest[]): Reply[] {
    const replies: Reply[] = [];
    for (let at = 0; at < requests.length; at += requestsPerWrite) {
      replies.push(...this.#askOnce(requests.slice(at, at + requestsPerWrite)));
    }
    return replies;
  }

  #askOnce(requests: readonly NetlinkRequest[]): Reply[] {
    const first = this.#send(requests);
    const replies = requests.map((): Reply => ({ data: [], fault: null }));
    for (let waiting = requests.length; waiting > 0; ) {
      for (const answer of this.#receive()) {
        const reply = replies[answer.sequence - first];
        if (!reply) continue;
        if (answer.kind === 'data') reply.data.push(Buffer.from(answer.payload));
        else waiting--;
        if (answer.errno !== 0) reply.fault = { errno: answer.errno, text: answer.text };
      }
      this.#received.fill(0);
    }
    return replies;
  }

  /** Lists; begins again when something changed meanwhile, and takes what it has when that goes on. */
  #dump<T>(request: NetlinkRequest, decode: (payload: Buffer) => T | null): T[] {
    for (let attempt = 1; ; attempt++) {
      const { rows, whole } = this.#dumpOnce(request, decode);
      if (whole || attempt === dumpAttempts) return rows;
    }
  }

  #dumpOnce<T>(request: NetlinkRequest, decode: (payload: Buffer) => T | null): { rows: T[]; whole: boolean } {
    const sequence = this.#send([request]);
    const rows: T[] = [];
    let whole = true;
    for (;;) {
      const answers = this.#receive().filter((answer) => answer.sequence === sequence);
      for (const answer of answers) {
        if (answer.errno !== 0) throw ipsecErrorOf(answer, 'the kernel does not list');
        if (answer.interrupted) whole = false;
        const row = answer.kind === 'data' ? decode(answer.payload) : null;
        if (row !== null) rows.push(row);
      }
      this.#received.fill(0);
      if (answers.some(({ kind }) => kind !== 'data')) return { rows, whole };
    }
  }

  /** Writes the requests at once; gives the number of the first. */
  #send(requests: readonly NetlinkRequest[]): number {
    if (this.#closed) throw new IpsecError('ERR_IPSEC_FAILED', 'the netlink socket is closed');
    if (this.#sequence + requests.length > 0x7fffffff) this.#sequence = 0;
    const first = this.#sequence + 1;
    this.#sequence += requests.length;
    const parts = requests.map((request, at) => encodeRequest(request, first + at));
    const bytes = Buffer.concat(parts);
    try {
      while (this.#lib.send(this.#fd, bytes, bytes.length, 0) < 0) {
        const errno = this.#lib.errno();
        if (errno !== interrupted) throw ipsecErrorOf({ errno, text: null }, 'netlink can not be written to');
      }
    } finally {
      for (const part of [bytes, ...parts, ...requests.map(({ body }) => body)]) part.fill(0);
    }
    return first;
  }

  #receive(): NetlinkAnswer[] {
    for (;;) {
      const length = this.#lib.recv(this.#fd, this.#received, receiveBytes, 0);
      if (length > 0) return decodeAnswers(this.#received.subarray(0, length));
      const errno = length === 0 ? 0 : this.#lib.errno();
      if (errno !== interrupted) throw ipsecErrorOf({ errno, text: null }, 'the kernel does not answer');
    }
  }
}

function requestOf(change: XfrmChange): NetlinkRequest {
  switch (change.kind) {
    case 'add':
      return addAssociation(change);
    case 'extend':
      return extendAssociation(change.association, change.hardSeconds);
    case 'delete':
      return deleteAssociation(change.association);
    case 'guard':
      return setGuard(change.policy);
    case 'unguard':
      return deleteGuard(change.policy);
  }
}
