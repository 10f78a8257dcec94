import { Endpoint } from '#lab/ue/endpoint';
import type { SecurityEnd } from '#lab/ue/security-offer';
import { formatAkaNonce, parseAuts } from '#sip/auth/aka';
import { digestResponse, parseDigest } from '#sip/auth/digest';
import { Milenage, opcFromOp } from '#sip/auth/milenage';
import { ParseFailure } from '#sip/errors';
import { parseIpsecMechanism, parseSecurityMechanisms } from '#sip/header/security-mechanism';
import { createRequest, createResponse } from '#sip/message/create';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { ServerTransaction } from '#sip/transaction/transaction-port';
import type { Flow, Target } from '#sip/transport/flow';

export const keys = { k: '465b5cc8b199b49faa5f0a2ee238a6bc', op: 'cdc202d5123e20f62b6d676ac72cb318' };

export interface RegistrarScript {
  /** What stands in for the network's K. */
  readonly k?: string;
  /** SQN of the first vector; each further one is 32 higher. */
  readonly sqn?: number;
  readonly scheme?: 'AKAv1-MD5' | 'AKAv2-MD5' | 'MD5';
  readonly password?: string;
  readonly qop?: string;
  readonly minExpires?: number;
  readonly address?: string;
  /** Values of the Security-Server of a challenge, by SPIs and ports of this end; none: it knows no IPsec. */
  readonly agrees?: (end: SecurityEnd) => string[];
}

/** A registrar of one user that keeps what it was sent. */
export class Registrar {
  readonly seen: SipRequest[] = [];
  /** What each Authorization was: 'none', 'ok', 'wrong', 'auts', 'empty'. */
  readonly verdicts: string[] = [];
  readonly resyncs: number[] = [];
  endpoint!: Endpoint;
  readonly #script: RegistrarScript;
  readonly #milenage: Milenage;
  readonly #rand = Buffer.from('23553cbe9637a89d218ae64dae47bf35', 'hex');
  #sqn: number;
  #nonce = '';
  #agreements = 0;
  #uePort = 0;
  #password: Buffer | string = '';

  private constructor(script: RegistrarScript) {
    this.#script = script;
    const k = Buffer.from(script.k ?? keys.k, 'hex');
    this.#milenage = new Milenage(k, opcFromOp(k, Buffer.from(keys.op, 'hex')));
    this.#sqn = script.sqn ?? 0x1000;
  }

  static async open(script: RegistrarScript = {}): Promise<Registrar> {
    const registrar = new Registrar(script);
    registrar.endpoint = await Endpoint.open(
      {
        transport: 'udp',
        address: script.address ?? '127.0.0.1',
        ...(script.agrees === undefined ? {} : { protectedClients: 2 }),
      },
      {
        onRequest: (transaction, request) => registrar.#onRequest(transaction, request),
        onAck: () => {},
        onCancel: () => {},
        onServerEnded: () => {},
      },
    );
    registrar.endpoint.answerFlow = (flow) => registrar.#answerFlow(flow);
    return registrar;
  }

  get proxy(): { address: string; port: number } {
    return { address: this.endpoint.address, port: this.endpoint.port };
  }

  /** Sends an OPTIONS to a phone; gives the ports that its answer came to and from. */
  askFrom(target: Target, registered: SipRequest): Promise<[to: number, from: number]> {
    const { port } = target;
    const request = createRequest('OPTIONS', `sip:alice@127.0.0.1:${port}`, [
      [Header['Max-Forwards'], '70'],
      [Header.From, '<sip:network@ims.test>;tag=n'],
      [Header.To, registered.headers.get(Header.To)!],
      [Header['Call-ID'], `options-${this.seen.length}`],
      [Header.CSeq, '1 OPTIONS'],
    ]);
    return this.endpoint.request(request, target).then((response) => {
      const { listener, port: from } = response.flow!;
      return [this.endpoint.portOf(listener), from];
    });
  }

  close(): Promise<void> {
    return this.endpoint.close();
  }

  #onRequest(transaction: ServerTransaction, request: SipRequest): void {
    this.seen.push(request);
    const expires = Number(request.headers.get(Header.Expires));
    const least = this.#script.minExpires ?? 0;
    if (request.method !== 'REGISTER') {
      transaction.respond(createResponse(request, 202, 'tag'));
      return;
    }
    const verdict = this.#judge(request);
    this.verdicts.push(verdict);
    if (verdict !== 'ok') {
      transaction.respond(this.#challenge(request));
      return;
    }
    if (expires > 0 && expires < least) {
      const brief = createResponse(request, 423, 'tag');
      brief.headers.append(Header['Min-Expires'], String(least));
      transaction.respond(brief);
      return;
    }
    const response = createResponse(request, 200, 'tag');
    const contact = request.headers.get(Header.Contact)!;
    if (expires > 0) {
      response.headers.append(
        Header.Contact,
        `<sip:old@192.0.2.1>;expires=5, ${contact};expires=${Math.min(expires, 7200)}`,
      );
      response.headers.append(Header['Service-Route'], '<sip:orig@scscf.ims.test:6060;lr>');
      response.headers.append(Header['P-Associated-URI'], '<sip:alice@ims.test>, <tel:+15550001>');
    }
    transaction.respond(response);
  }

  #judge(request: SipRequest): string {
    const parameters = parseDigest(request.headers.get(Header.Authorization) ?? '');
    if (parameters instanceof ParseFailure || parameters.get('nonce') === '') return 'none';
    if (parameters.get('nonce') !== this.#nonce) return 'stale';
    const response = parameters.get('response');
    const auts = parameters.get('auts');
    if (auts === null && response === '') return 'empty';
    const qop = parameters.get('qop');
    const expected = digestResponse({
      method: 'REGISTER',
      uri: parameters.get('uri')!,
      nonce: this.#nonce,
      username: parameters.get('username')!,
      realm: parameters.get('realm')!,
      password: auts === null ? this.#password : '',
      ...(qop === null ? {} : { qop: 'auth', nc: parameters.get('nc')!, cnonce: parameters.get('cnonce')! }),
    });
    if (response !== expected) return 'wrong';
    if (auts === null) return 'ok';
    const octets = parseAuts(auts);
    const sqn = octets instanceof ParseFailure ? null : this.#milenage.resynchronise(this.#rand, octets);
    if (sqn === null) return 'wrong';
    this.resyncs.push(sqn);
    this.#sqn = sqn + 32;
    return 'auts';
  }

  #challenge(request: SipRequest) {
    const { scheme = 'AKAv1-MD5', qop = 'auth', password = '' } = this.#script;
    if (scheme === 'MD5') {
      this.#nonce = `n${this.seen.length}`;
      this.#password = password;
    } else {
      const vector = this.#milenage.generateVector(this.#rand, this.#sqn, 0x8000);
      this.#sqn += 32;
      this.#nonce = formatAkaNonce(this.#rand, vector.autn);
      this.#password = vector.xres;
    }
    const response = createResponse(request, 401, 'tag');
    const asked = qop === '' ? '' : `, qop="${qop}"`;
    response.headers.append(
      Header['WWW-Authenticate'],
      `Digest realm="ims.test", nonce="${this.#nonce}", algorithm=${scheme}, opaque="o"${asked}`,
    );
    for (const value of this.#agree(request)) response.headers.append(Header['Security-Server'], value);
    return response;
  }

  /** This end of the next agreement: another client port than the last one. */
  #agree(request: SipRequest): string[] {
    const sockets = this.endpoint.protectedSockets;
    const offers = parseSecurityMechanisms(request.headers.values(Header['Security-Client']));
    if (sockets === null || this.#script.agrees === undefined || offers instanceof ParseFailure) return [];
    this.#agreements++;
    const [offer] = offers.map(parseIpsecMechanism).filter((each) => 'portS' in each);
    this.#uePort = offer?.portS ?? 0;
    const { port: portC } = sockets.clients[this.#agreements % 2]!;
    return this.#script.agrees({
      spiC: 5000 + this.#agreements,
      spiS: 6000 + this.#agreements,
      portC,
      portS: sockets.server.port,
    });
  }

  #answerFlow(flow: Flow): Flow {
    if (flow.transport !== 'udp') return flow;
    return {
      ...flow,
      listener: this.endpoint.protectedSockets!.clients[this.#agreements % 2]!.udp,
      port: this.#uePort,
    };
  }
}
