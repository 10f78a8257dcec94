import { Endpoint } from '#lab/ue/endpoint';
import { formatAkaNonce, parseAuts } from '#sip/auth/aka';
import { digestResponse, parseDigest } from '#sip/auth/digest';
import { Milenage, opcFromOp } from '#sip/auth/milenage';
import { ParseFailure } from '#sip/errors';
import { createResponse } from '#sip/message/create';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { ServerTransaction } from '#sip/transaction/transaction-port';

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
      { transport: 'udp', address: script.address ?? '127.0.0.1' },
      {
        onRequest: (transaction, request) => registrar.#onRequest(transaction, request),
        onAck: () => {},
        onCancel: () => {},
        onServerEnded: () => {},
      },
    );
    return registrar;
  }

  get proxy(): { address: string; port: number } {
    return { address: this.endpoint.address, port: this.endpoint.port };
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
    return response;
  }
}
