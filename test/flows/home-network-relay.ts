import { connect, createServer, type Server, type Socket } from 'node:net';
import { type AnswerContent, encodeAnswer } from '#diameter/answer';
import { decodeMessage } from '#diameter/codec/decode';
import { isRequest, readCommand } from '#diameter/codec/message';
import { readServerAssignment } from '#diameter/cx/cx-server';
import { cxApplication, cxCommands, cxDictionary } from '#diameter/dictionary/cx';
import { DecodeFailure } from '#diameter/errors';
import type { DiameterIdentity } from '#diameter/identity';

/** A request of a CSCF that may be meddled with. */
export type CxName = 'UAR' | 'LIR' | 'MAR' | 'SAR';

/** What becomes of a request instead of its way to the HSS. `late`: milliseconds that the answer of the HSS is held back. */
export type Meddling =
  | AnswerContent
  | 'silence'
  | { readonly late: number }
  | { readonly octets: (answer: Buffer) => Buffer };

const commands: Readonly<Record<CxName, number>> = {
  UAR: cxCommands.userAuthorization.code,
  LIR: cxCommands.locationInfo.code,
  MAR: cxCommands.multimediaAuth.code,
  SAR: cxCommands.serverAssignment.code,
};

/** Stands between the CSCFs and the HSS, octets pass unseen but for what a test has scripted. */
export class HssRelay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #script: {
    readonly name: CxName;
    readonly meddling: Meddling;
    readonly type: number | null;
    left: number;
  }[] = [];
  /** Requests seen, by name. */
  readonly seen: Record<CxName, number> = { UAR: 0, LIR: 0, MAR: 0, SAR: 0 };
  readonly port: number;
  readonly #identity: DiameterIdentity;

  private constructor(server: Server, port: number, identity: DiameterIdentity) {
    this.#server = server;
    this.port = port;
    this.#identity = identity;
  }

  /** Listens at a port and passes everything on to another one. */
  static async open(
    port: number,
    hss: { readonly address: string; readonly port: number; readonly host: string; readonly realm: string },
  ): Promise<HssRelay> {
    const late: { relay: HssRelay | null } = { relay: null };
    const server = createServer((socket) => late.relay?.pass(socket, connect(hss.port, hss.address)));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, hss.address, resolve);
    });
    late.relay = new HssRelay(server, port, { originHost: hss.host, originRealm: hss.realm });
    return late.relay;
  }

  /** The next `times` requests of a name are treated so; of SARs only those of a `type`. */
  next(
    name: CxName,
    meddling: Meddling,
    { times = 1, type = null }: { times?: number; type?: number | null } = {},
  ): void {
    this.#script.push({ name, meddling, type, left: times });
  }

  /** Whether all that was scripted has happened. */
  get isDone(): boolean {
    return this.#script.length === 0;
  }

  /** Nothing is meddled with any more. */
  clear(): void {
    this.#script.length = 0;
  }

  pass(cscf: Socket, hss: Socket): void {
    for (const socket of [cscf, hss]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => {
        this.#sockets.delete(socket);
        cscf.destroy();
        hss.destroy();
      });
    }
    /** By hop-by-hop identifier: what is done to the answer. */
    const held = new Map<number, Meddling>();
    eachMessage(cscf, (octets) => {
      const meddling = this.#meddlingWith(octets);
      if (meddling === null) hss.write(octets);
      else if (meddling === 'silence') return;
      else if ('late' in meddling || 'octets' in meddling) {
        held.set(octets.readUInt32BE(12), meddling);
        hss.write(octets);
      } else cscf.write(this.#answer(octets, meddling));
    });
    eachMessage(hss, (octets) => {
      const meddling = isRequest(octets) ? undefined : held.get(octets.readUInt32BE(12));
      if (meddling === undefined || typeof meddling === 'string') cscf.write(octets);
      else if ('late' in meddling) setTimeout(() => cscf.write(octets), meddling.late);
      else if ('octets' in meddling) cscf.write(meddling.octets(octets));
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #meddlingWith(octets: Buffer): Meddling | null {
    if (!isRequest(octets)) return null;
    const name = (Object.keys(commands) as CxName[]).find((each) => commands[each] === readCommand(octets));
    if (name === undefined) return null;
    this.seen[name]++;
    const at = this.#script.findIndex(
      (entry) => entry.name === name && (entry.type === null || entry.type === typeOf(octets)),
    );
    if (at < 0) return null;
    const entry = this.#script[at]!;
    if (--entry.left === 0) this.#script.splice(at, 1);
    return entry.meddling;
  }

  #answer(octets: Buffer, content: AnswerContent): Buffer {
    const request = decodeMessage(octets, cxDictionary);
    if (request instanceof DecodeFailure) throw new Error(request.reason);
    return encodeAnswer(request, cxApplication, this.#identity, content);
  }
}

/** Server-Assignment-Type of an SAR. */
function typeOf(octets: Buffer): number | null {
  const request = decodeMessage(octets, cxDictionary);
  return request instanceof DecodeFailure ? null : readServerAssignment(request).type;
}

function eachMessage(socket: Socket, take: (octets: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= rest.readUIntBE(1, 3)) {
      const length = rest.readUIntBE(1, 3);
      take(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
  });
}
