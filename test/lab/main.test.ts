import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const lab = fileURLToPath(new URL('../../bin/lab', import.meta.url));

function run(...words: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(lab, words, { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

test.each([
  [['--help'], 'lab up --once'],
  [['up', '--help'], '--headers'],
  [['hss', '--help'], '--state'],
  [['pcrf', '--help'], 'lab pcrf asr --ip 10.46.0.5'],
  [['pcrf', 'rar', '--help'], '--action loss --flows 1:1,1:2'],
  [['as', '--help'], 'sip:ipsmgw@HOST:PORT'],
  [['as', 'message', '--help'], '--unregistered'],
  [['ue', '--help'], 'lab ue answer --user bob'],
  [['ue', 'call', '--help'], '--seconds'],
])('lab %j shows options and examples', (words, expected) => {
  const { status, output } = run(...words);
  expect(status).toBe(0);
  expect(output).toContain(expected);
});

test.each([
  [[], 'which command? up, hss, pcrf, as or ue'],
  [['down'], 'Unknown argument: down'],
  [['ue'], 'what should the phone do?'],
  [['ue', 'call'], 'try: lab ue call --help'],
  [['ue', 'register'], '--user alice'],
  [['ue', 'register', '--user', 'zed'], 'it has alice@ims.test, bob@ims.test'],
  [['ue', 'register', '--impi', 'a@b', '--k', '12', '--opc', '34'], '--k has 32 hexadecimal digits'],
  [['ue', 'register', '--user', 'alice', '--proxy', 'nowhere:x'], 'is not host:port'],
  [['as', '--listen', 'here'], 'as: --listen here is not address:port, such as 127.0.0.1:5090'],
  [['as', '--number', 'bob'], 'such as +15550001=sip:alice@ims.test'],
  [['as', 'call', 'sip:alice@ims.test'], 'try: lab as call --help'],
  [['hss', '--config', '/nowhere.yaml'], 'there is no such file'],
  [['pcrf', '--config', '/nowhere.yaml'], 'there is no such file'],
  [['pcrf', 'asr'], 'asr needs either a session or --ip'],
  [['pcrf', 'rar', '1'], 'Missing required argument: action'],
])('lab %j says what to do', (words, expected) => {
  const { status, output } = run(...words);
  expect(status).toBe(2);
  expect(output).toContain(expected);
});
