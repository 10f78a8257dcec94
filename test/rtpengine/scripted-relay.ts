import { createSocket } from 'node:dgram';
import { type BencodeDictionary, type BencodeValue, decodeBencode, encodeBencode } from '#rtpengine/bencode';

/** A peer that speaks the ng protocol: gives every description the address 198.51.100.7 and a port of its own. */
export interface ScriptedRelay {
  readonly endpoint: { readonly transport: 'udp'; readonly address: string; readonly port: number };
  /** The commands it has had, copies left out: name and what the test asks for. */
  readonly commands: BencodeDictionary[];
  /** Names of the commands. */
  readonly names: () => string[];
  /** What it does: `loses` so many datagrams first, `fails` the commands of these names, is `silent`. */
  script: { loses?: number; fails?: readonly string[]; silent?: boolean; delayMs?: number };
  close(): Promise<void>;
}

export const relayAddress = '198.51.100.7';

export async function startScriptedRelay(): Promise<ScriptedRelay> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const commands: BencodeDictionary[] = [];
  const answers = new Map<string, string>();
  let isOpen = true;
  let nextPort = 30_000;
  const relay: ScriptedRelay = {
    endpoint: { transport: 'udp', address: '127.0.0.1', port: socket.address().port },
    commands,
    names: () => commands.map((command) => String(command.get('command'))),
    script: {},
    close() {
      isOpen = false;
      return new Promise((resolve) => socket.close(() => resolve()));
    },
  };
  socket.on('message', (octets, from) => {
    const { script } = relay;
    if (script.silent === true) return;
    if ((script.loses ?? 0) > 0) {
      script.loses!--;
      return;
    }
    const text = octets.toString('latin1');
    const blank = text.indexOf(' ');
    const cookie = text.slice(0, blank);
    let answer = answers.get(cookie);
    if (answer === undefined) {
      const command = decodeBencode(text.slice(blank + 1)) as BencodeDictionary;
      commands.push(command);
      answer = encodeBencode(answerTo(command));
      answers.set(cookie, answer);
    }
    const datagram = Buffer.from(`${cookie} ${answer}`, 'latin1');
    setTimeout(() => isOpen && socket.send(datagram, from.port, from.address), script.delayMs ?? 0);
  });

  function answerTo(command: BencodeDictionary): BencodeValue {
    const name = String(command.get('command'));
    if (relay.script.fails?.includes(name) === true) {
      return new Map<string, BencodeValue>([
        ['result', 'error'],
        ['error-reason', 'it is scripted so'],
      ]);
    }
    const answer = new Map<string, BencodeValue>([['result', 'ok']]);
    const sdp = command.get('sdp');
    if (typeof sdp === 'string') {
      nextPort += 2;
      const family = command.get('address family') ?? 'IP4';
      const address = family === 'IP6' ? 'IP6 2001:db8::7' : `IP4 ${relayAddress}`;
      answer.set(
        'sdp',
        sdp.replace(/c=IN IP[46] \S+/g, `c=IN ${address}`).replace(/m=audio \d+/g, `m=audio ${nextPort}`),
      );
    }
    return answer;
  }
  return relay;
}
