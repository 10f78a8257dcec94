import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { serverAssignmentTypes as types } from '#diameter/cx/cx-requests';
import { Milenage, opcFromOp } from '#sip/auth/milenage';
import { aliceKey, answered, connectCx, type TestClient } from './hss-client.ts';
import { exitOf, type HssProcess, killHssProcesses, runLab, startHssProcess, writeHssConfig } from './hss-process.ts';

const impi = 'alice@ims.test';
const impu = 'sip:alice@ims.test';
const scscf = 'sip:scscf.ims.test:6060';
const key = Buffer.from(aliceKey.k, 'hex');
const usim = new Milenage(key, opcFromOp(key, Buffer.from(aliceKey.op, 'hex')));

const clients: TestClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  killHssProcesses();
});

interface Member {
  readonly process: HssProcess;
  readonly client: TestClient;
  readonly config: string;
}

/** Two processes over one folder, each with a client. */
async function pair(state = join(mkdtempSync(join(tmpdir(), 'hss-shared-')), 'state')): Promise<[Member, Member]> {
  const member = async (name: string): Promise<Member> => {
    const config = await writeHssConfig({ name, realm: 'ims.test' });
    const process = await startHssProcess(config, '--state', state);
    const client = await connectCx(process.port, 'scscf.ims.test', name);
    clients.push(client);
    return { process, client, config };
  };
  return [await member('one.ims.test'), await member('two.ims.test')];
}

function sequenceNumbers(items: readonly { rand: Buffer | undefined; autn: Buffer | undefined }[]): number[] {
  return items.map(({ autn, rand }) => usim.verifyAutn(rand!, autn!).sqn);
}

describe('two HSSs over one state folder', () => {
  const registration = { impi, impus: [impu], serverName: scscf, userDataAlreadyAvailable: false };

  it('each sees at once what the other wrote, however often they take turns', async () => {
    const [one, two] = await pair();
    for (let round = 0; round < 50; round++) {
      const [writer, reader] = round % 2 === 0 ? [one, two] : [two, one];
      await writer.client.cx.serverAssignment({ ...registration, type: types.REGISTRATION });
      const found = answered(await reader.client.cx.locationInfo({ impu }));
      expect([round, found.result.code, found.serverName]).toEqual([round, 2001, scscf]);
      await reader.client.cx.serverAssignment({ ...registration, type: types.USER_DEREGISTRATION });
      const gone = answered(await writer.client.cx.locationInfo({ impu }));
      expect([round, gone.result.code]).toEqual([round, 5003]);
    }
  });

  it('no sequence number is given out twice, and none falls behind, while both are asked at once', async () => {
    const pairOf = await pair();
    const auth = { impi, impu, serverName: scscf, scheme: 'Digest-AKAv1-MD5', items: 5 };
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => pairOf[i % 2]!.client.cx.multimediaAuth(auth)),
    );
    const numbers = answers.flatMap((answer) => sequenceNumbers(answered(answer).items));
    expect(numbers).toHaveLength(500);
    expect(new Set(numbers).size).toBe(500);
    // Each SEQ is given out once too: a USIM that keeps one per IND takes them in any order.
    expect(new Set(numbers.map((sqn) => Math.floor(sqn / 32))).size).toBe(500);
    const last = Math.max(...numbers);
    for (const { client } of pairOf) {
      const [next] = sequenceNumbers(answered(await client.cx.multimediaAuth({ ...auth, items: 1 })).items);
      expect(next).toBeGreaterThan(last);
    }
  });

  it('kill -9 of one leaves the other with everything, and it comes back', async () => {
    const state = join(mkdtempSync(join(tmpdir(), 'hss-shared-')), 'state');
    const [one, two] = await pair(state);
    await one.client.cx.serverAssignment({ ...registration, type: types.REGISTRATION });
    const ended = exitOf(one.process.child);
    one.process.child.kill('SIGKILL');
    await ended;
    expect(answered(await two.client.cx.locationInfo({ impu })).serverName).toBe(scscf);
    await two.client.cx.serverAssignment({ ...registration, type: types.USER_DEREGISTRATION });
    const shown = await runLab('hss', 'show', impi, '--json', '--config', two.config);
    expect(JSON.parse(shown.stdout)).toMatchObject({ server: null, sets: [{ state: 'not-registered' }] });
    const back = await startHssProcess(one.config, '--state', state);
    const client = await connectCx(back.port, 'icscf.ims.test', 'one.ims.test');
    clients.push(client);
    expect(answered(await client.cx.locationInfo({ impu })).result.code).toBe(5003);
  });
});
