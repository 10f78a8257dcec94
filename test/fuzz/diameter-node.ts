import { DiameterClient } from '#diameter/client';
import { isRequest, readCommand, readHopByHop, writeHopByHop } from '#diameter/codec/message';
import { baseResult, readResult } from '#diameter/result';
import { allCommands, wholeDictionary } from './diameter-corpus.ts';
import { checkAnswer } from './diameter-rules.ts';
import { Broken, hold } from './target.ts';

export const identity = { originHost: 'host.ims.test', originRealm: 'ims.test' };

/** A node that serves every command and has asked for every answer. */
export class FuzzedNode {
  readonly #sent: Buffer[] = [];
  readonly #answers: Buffer[] = [];
  readonly #client: DiameterClient;

  constructor() {
    this.#client = new DiameterClient(
      { send: (message) => this.#sent.push(message), answer: (message) => this.#answers.push(message) },
      {
        worker: 0,
        identity,
        dictionary: wholeDictionary,
        failed(error) {
          throw new Broken('a reader or handler throws', String(error));
        },
      },
    );
    for (const command of allCommands) {
      this.#client.handle(command, () => ({ result: baseResult(2001), avps: [] }));
    }
  }

  /** Takes a message with a whole header. */
  take(octets: Buffer): void {
    if (isRequest(octets)) this.#takeRequest(octets);
    else this.#takeAnswer(octets);
  }

  #takeRequest(octets: Buffer): void {
    this.#client.onMessage(octets);
    const answers = this.#answers.splice(0);
    hold('a request has not one answer', answers.length === 1, () => String(answers.length));
    checkAnswer(octets, answers[0]!);
  }

  /** An answer of whatever shape ends the request that it is for, and none else. */
  #takeAnswer(octets: Buffer): void {
    const command = allCommands.find(({ code }) => code === readCommand(octets));
    if (command === undefined) return;
    for (let i = 0; i < 2; i++)
      void this.#client.request({ command, destinationRealm: 'ims.test', avps: [] }, readResult);
    const answer = Buffer.from(octets);
    writeHopByHop(answer, readHopByHop(this.#sent[0]!));
    this.#client.onMessage(answer);
    hold('an answer does not end its request', this.#client.pendingRequests === 1);
    this.#client.onMessage(answer);
    hold('an answer ends two requests', this.#client.pendingRequests === 1);
    this.#sent.length = 0;
    this.#client.stop();
  }
}
