import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { avp } from '#diameter/codec/avp-types';
import { serverAssignmentTypes as types } from '#diameter/cx/cx-requests';
import {
  type PushProfile,
  pushProfileAnswer,
  type RegistrationTermination,
  readPushProfile,
  readRegistrationTermination,
  registrationTerminationAnswer,
} from '#diameter/cx/hss-requests';
import { baseAvps } from '#diameter/dictionary/base';
import { cxCommands } from '#diameter/dictionary/cx';
import { baseResult, experimentalResult } from '#diameter/result';
import { answered, connectCx, type TestClient, template, temporaryFolder } from './hss-client.ts';
import { killHssProcesses, runLab, startHssProcess, writeHssConfig } from './hss-process.ts';

const impi = 'alice@ims.test';
const impu = 'sip:alice@ims.test';
const scscf = 'sip:scscf.ims.test:6060';
const registration = {
  impi,
  impus: [impu],
  serverName: scscf,
  type: types.REGISTRATION,
  userDataAlreadyAvailable: false,
};

let config: string;
let client: TestClient;
let other: TestClient;
beforeEach(async () => {
  config = await writeHssConfig();
  const { port } = await startHssProcess(config);
  client = await connectCx(port);
  other = await connectCx(port, 'other.ims.test');
});
afterEach(async () => {
  await client.close();
  await other.close();
  killHssProcesses();
});

function order(...words: string[]) {
  return runLab('hss', ...words, '--config', config);
}

/** What the S-CSCF is asked, and that it says `code` to it. */
function serveTermination(node: TestClient, code = 2001): RegistrationTermination[] {
  const asked: RegistrationTermination[] = [];
  node.handle(cxCommands.registrationTermination, (request) => {
    expect(request.avps.text(baseAvps.destinationHost)).toBeDefined();
    asked.push(readRegistrationTermination(request));
    return registrationTerminationAnswer({ result: code === 2001 ? baseResult(code) : experimentalResult(code) });
  });
  return asked;
}

function servePush(node: TestClient, result = baseResult(2001)): (PushProfile & { xml: string })[] {
  const asked: (PushProfile & { xml: string })[] = [];
  node.handle(cxCommands.pushProfile, (request) => {
    const read = readPushProfile(request);
    asked.push({ ...read, xml: read.userData?.toString() ?? '' });
    return pushProfileAnswer(result);
  });
  return asked;
}

async function located(): Promise<number> {
  return answered(await client.cx.locationInfo({ impu })).result.code;
}

describe('lab hss rtr', () => {
  it('goes to the S-CSCF of the SAR, prints the result and ends the registration', async () => {
    const asked = serveTermination(client);
    const strangers = serveTermination(other);
    await client.cx.serverAssignment(registration);
    const { code, stdout } = await order('rtr', impi, '--info', 'moved out');
    expect(stdout).toMatch(
      /^RTA 2001 DIAMETER_SUCCESS from scscf\.ims\.test \(sip:scscf\.ims\.test:6060\) after [0-9.]+ ms\n$/,
    );
    expect(code).toBe(0);
    expect(asked).toMatchObject([{ impi, impus: [], reasonCode: 0, reasonInfo: 'moved out' }]);
    expect(strangers).toEqual([]);
    expect(await located()).toBe(5003);
  });

  it('takes public identities and a reason, and prints JSON', async () => {
    const asked = serveTermination(client);
    await client.cx.serverAssignment(registration);
    const words = ['--impu', impu, '--impu', 'tel:+15550001', '--reason', 'remove-scscf', '--json'];
    const { code, stdout } = await order('rtr', impi, ...words);
    expect(JSON.parse(stdout)).toMatchObject({ done: true, code: 2001, host: 'scscf.ims.test', findings: [] });
    expect(code).toBe(0);
    expect(asked).toMatchObject([{ impus: [impu, 'tel:+15550001'], reasonCode: 3, reasonInfo: undefined }]);
  });

  it('another answer than 2001 is exit code 1 and leaves the registration', async () => {
    serveTermination(client, 5001);
    await client.cx.serverAssignment(registration);
    const { code, stdout } = await order('rtr', impi);
    expect(stdout).toContain('RTA 5001 DIAMETER_ERROR_USER_UNKNOWN (3GPP) from scscf.ims.test');
    expect(code).toBe(1);
    expect(await located()).toBe(2001);
  });

  it('D-14 what is wrong with the answer is told: two Result-Codes, a text that comes twice', async () => {
    const words = avp(baseAvps.errorMessage, 'x');
    client.handle(cxCommands.registrationTermination, () => ({
      result: baseResult(2001),
      avps: [avp(baseAvps.resultCode, 2001), words, words],
    }));
    await client.cx.serverAssignment(registration);
    const { code, stdout } = await order('rtr', impi, '--json');
    expect(code).toBe(0);
    const { findings } = JSON.parse(stdout) as { findings: string[] };
    expect([...findings].sort()).toEqual(['Error-Message is there 2 times', 'Result-Code is there 2 times']);
  });

  it('new-server goes to the S-CSCF that another one replaced, and leaves the new registration', async () => {
    const asked = serveTermination(client);
    await client.cx.serverAssignment(registration);
    const name = 'sip:other.ims.test:6060';
    await other.cx.multimediaAuth({ impi, impu, serverName: name, scheme: 'Digest-AKAv1-MD5' });
    await other.cx.serverAssignment({ ...registration, serverName: name });
    const { code } = await order('rtr', impi, '--reason', 'new-server');
    expect(code).toBe(0);
    expect(asked).toMatchObject([{ reasonCode: 1 }]);
    expect(answered(await client.cx.locationInfo({ impu })).serverName).toBe(name);
  });

  it.each([
    [['rtr', 'nobody@ims.test'], 1, 'there is no subscriber nobody@ims.test'],
    [['rtr', impi], 1, 'no S-CSCF serves alice@ims.test'],
    [['rtr', impi, '--reason', 'whim'], 2, 'Choices: "permanent", "new-server", "server-change", "remove-scscf"'],
    [['rtr'], 2, 'try: lab hss rtr --help'],
    [['ppr', impi, '--charging', 'third-ccf=aaa://x'], 2, 'there are primary-ccf'],
    [['ppr', impi, '--profile', '/nowhere.xml'], 2, '/nowhere.xml'],
    [['show', 'sip:nobody@ims.test'], 1, 'there is no subscriber'],
    [['show', impi, '--socket', '/nowhere.sock'], 1, 'does the node run?'],
  ] as const)('%j is refused in words', async (words, expected, why) => {
    const { code, stderr } = await order(...words);
    expect(stderr).toContain(why);
    expect(code).toBe(expected);
  });

  it('says so when only others are left, and when nobody is', async () => {
    await client.cx.serverAssignment(registration);
    await client.close();
    const misled = await order('rtr', impi);
    expect(misled.stdout).toMatch(/^RTA 3002 DIAMETER_UNABLE_TO_DELIVER .*, answered by other\.ims\.test\n/);
    expect(misled.code).toBe(1);
    await other.close();
    const { code, stdout } = await order('rtr', impi);
    expect(stdout).toMatch(/^no RTA from scscf\.ims\.test .*: no peer/);
    expect(code).toBe(1);
  });
});

describe('lab hss ppr', () => {
  it('brings the present profile, a new one, or charging addresses; what was brought stays', async () => {
    const asked = servePush(client);
    await client.cx.serverAssignment(registration);
    const { code, stdout } = await order('ppr', impi);
    expect(stdout).toMatch(/^PPA 2001 DIAMETER_SUCCESS from scscf\.ims\.test/);
    expect(code).toBe(0);
    expect(asked[0]!.xml).toContain(`<Identity>${impu}</Identity>`);
    expect(asked[0]!.charging).toBeUndefined();

    const file = join(temporaryFolder().folder, 'new.xml');
    writeFileSync(file, template.replace('</ServiceProfile>', '<Extension>neu \u00fc</Extension></ServiceProfile>'));
    expect((await order('ppr', impi, '--profile', file)).code).toBe(0);
    expect(asked[1]!.xml).toContain(`<Identity>tel:+15550001</Identity>`);
    expect(asked[1]!.xml).toContain('neu \u00fc');
    const charging = ['--charging', 'primary-ccf=aaa://ccf.ims.test', '--charging', 'secondary-ecf=aaa://ecf.ims.test'];
    expect((await order('ppr', impi, ...charging)).code).toBe(0);
    const addresses = { primaryCcf: 'aaa://ccf.ims.test', secondaryEcf: 'aaa://ecf.ims.test' };
    expect(asked[2]).toMatchObject({ userData: undefined, charging: addresses });

    const answer = answered(await client.cx.serverAssignment({ ...registration, type: types.RE_REGISTRATION }));
    expect(answer.userData!.toString()).toContain('neu \u00fc');
    expect(answer.charging).toMatchObject(addresses);
  });

  it('a profile that the S-CSCF refuses does not stay', async () => {
    servePush(client, experimentalResult(5009));
    await client.cx.serverAssignment(registration);
    const file = join(temporaryFolder().folder, 'broken.xml');
    writeFileSync(file, '<IMSSubscription>');
    const { code, stdout } = await order('ppr', impi, '--profile', file);
    expect(stdout).toContain('PPA 5009 DIAMETER_ERROR_NOT_SUPPORTED_USER_DATA (3GPP)');
    expect(code).toBe(1);
    const answer = answered(await client.cx.serverAssignment({ ...registration, type: types.RE_REGISTRATION }));
    expect(answer.userData!.toString()).toContain(`<Identity>${impu}`);
  });
});

describe('lab hss show, list, status, findings', () => {
  it('show what the HSS knows, as tables and as JSON', async () => {
    await client.cx.multimediaAuth({ impi, impu, serverName: scscf, scheme: 'Digest-AKAv1-MD5' });
    const contacts = [{ path: '<sip:pcscf;lr>', contact: '<sip:alice@192.0.2.7>' }];
    await client.cx.serverAssignment({ ...registration, restorationInfos: [{ impi, contacts }] });
    const shown = await order('show', 'tel:+15550001');
    expect(shown.stdout).toContain(`S-CSCF ${scscf} (scscf.ims.test)`);
    expect(shown.stdout).toMatch(/1 +sip:alice@ims\.test +registered +alice@ims\.test\n +tel:\+15550001\n/);
    expect(shown.stdout).toContain('<sip:alice@192.0.2.7>');
    const { privates, server, sets } = JSON.parse((await order('show', impi, '--json')).stdout);
    expect(server).toBe(scscf);
    expect(sets).toMatchObject([{ state: 'registered', registeredBy: [impi], pending: [] }]);
    expect(privates[0].sqn).toMatch(/^[0-9a-f]{12}$/);

    expect((await order('list')).stdout).toMatch(
      /alice@ims\.test +registered +sip:scscf\.ims\.test:6060 +sip:alice@ims\.test, tel:\+15550001\n/,
    );
    expect(JSON.parse((await order('list', '--registered', '--json')).stdout)).toMatchObject({
      more: false,
      subscriptions: [{ impi }],
    });
    await client.cx.serverAssignment({ ...registration, type: types.USER_DEREGISTRATION });
    expect((await order('list', '--registered')).stdout).toBe('none\n');
  });

  it('tell what was asked, and what was wrong with it', async () => {
    expect((await order('findings')).stdout).toContain('no findings');
    await client.cx.locationInfo({ impu: 'sip:alice@ims.test:5060' });
    const status = await order('status');
    expect(status.stdout).toMatch(/LIR +1 +0 +x5003: 1/);
    expect(status.stdout).toMatch(/LIR +public-identity-form +breach +1/);
    expect(status.stdout).toContain('scscf.ims.test');
    const findings = await order('findings');
    expect(findings.stdout).toContain(
      'scscf.ims.test LIR public-identity-form: Public-Identity is not in canonical form',
    );
    expect(JSON.parse((await order('findings', '--json')).stdout)).toMatchObject({
      breaches: 1,
      counts: [{ message: 'LIR' }],
    });
  });
});
