import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { chooseBackend } from '#ipsec/choose-backend';
import type { IpsecBackend } from '#ipsec/ipsec-backend';
import type { Call } from '#lab/ue/call';
import type { ProtectedAccess } from '#lab/ue/protected-access';
import { phoneKinds } from '#lab/ue/security-offer';
import { Ue } from '#lab/ue/ue';
import { usimOf } from '#lab/ue/usim';
import { coreTimers } from '#sip/transaction/timers';
import type { Ask, PhoneMethods, PhoneSetup, Seen } from './ipsec-phone.ts';
import { agreedKeys } from './secret-sweep.ts';

/*
 * One phone with IPsec in a process, and so a network namespace, of its own. It does what it is asked over the IPC channel.
 */

let ue: Ue;
let backend: IpsecBackend;
const seen: Seen = { messages: [], notifies: [], texts: [], calls: [], refreshed: [] };
const heard: string[] = [];
const calls: Call[] = [];

const methods: PhoneMethods = {
  async open(setup: PhoneSetup) {
    const chosen = await chooseBackend(setup.backend, { addresses: [setup.address] });
    if (chosen.backend === null) throw new Error(chosen.words);
    backend = chosen.backend;
    ue = await Ue.open({
      domain: setup.domain,
      impu: setup.impu,
      credentials: { impi: setup.impi, usim: usimOf(setup.keys) },
      proxy: setup.proxy,
      address: setup.address,
      expires: setup.expires ?? 3600,
      refresh: false,
      timers: coreTimers,
      reliableProvisional: true,
      preconditions: true,
      ipsec: {
        backend,
        kind: phoneKinds[setup.kind ?? 'samsung'],
        ...(setup.requestsBy === undefined ? {} : { requestsBy: setup.requestsBy }),
        ...(setup.registerBy === undefined ? {} : { registerBy: setup.registerBy }),
        ...(setup.answerFrom === undefined ? {} : { answerFrom: setup.answerFrom }),
      },
      trace: {
        sip(dir, text, { transport, port }) {
          if (dir === 'in') heard.push(text);
          seen.messages.push(`${dir} ${transport} ${port} ${text.slice(0, text.indexOf('\r\n'))}`);
        },
        diameter() {},
      },
      events: {
        incomingCall(call) {
          calls.push(call);
          call.ring(183);
          call.events = {
            reserved: () => {
              call.ring(180);
              setTimeout(() => call.answer(), 200);
            },
            answered: () => seen.calls.push('answered'),
            ended: (_call, end) => seen.calls.push(`ended by ${end.by}`),
          };
        },
        message: ({ body }) => seen.texts.push(body),
        notify: (event, body) =>
          seen.notifies.push(`${event} ${/<registration [^>]*state="(\w+)"/.exec(body)?.[1] ?? ''}`),
      },
    });
    return { port: ue.port, words: chosen.words };
  },
  register: (expires) => ue.register(expires),
  subscribe: async () => (await ue.subscribeToRegistration()).status,
  message: (to, body) => ue.message(to, body),
  async call(to) {
    const ringing: number[] = [];
    const call = ue.call(to, { ringing: (_call, status) => ringing.push(status) });
    const answered = await call.answered;
    if (answered !== true) return { answered: false, ringing, words: `${answered.status} ${answered.words}` };
    calls.push(call);
    return { answered: true, ringing, words: '' };
  },
  async hangUp() {
    const call = calls.at(-1)!;
    call.hangUp();
    const { by, status } = await call.ended;
    return `${by} ${status}`;
  },
  async agreed() {
    const { agreed } = ue.access as ProtectedAccess;
    return agreed === null ? null : { portC: agreed.portC, portS: agreed.portS, alg: agreed.alg, ealg: agreed.ealg };
  },
  async associations() {
    const { associations } = ue.access as ProtectedAccess;
    return associations.map(({ source, destination, direction }) => [direction, source.port, destination.port]);
  },
  async seen() {
    return seen;
  },
  async heard() {
    return { messages: heard, keys: [...agreedKeys()] };
  },
  counters: () => backend.counters(),
  async plainDatagram(address, port, text) {
    const socket = createSocket('udp4');
    let heard = 0;
    socket.on('message', () => heard++);
    socket.send(text, port, address);
    await new Promise((resolve) => setTimeout(resolve, 400));
    socket.close();
    return heard;
  },
  async plainConnection(address, port) {
    const socket = connect({ host: address, port });
    const outcome = await Promise.race([
      once(socket, 'connect').then(
        () => 'connected',
        (error: NodeJS.ErrnoException) => error.code ?? 'error',
      ),
      new Promise<string>((resolve) => setTimeout(() => resolve('silence'), 800)),
    ]);
    socket.on('error', () => {});
    socket.destroy();
    return outcome;
  },
  async close() {
    await ue.close();
    await backend.close(false);
  },
};

process.on('message', ({ id, method, args }: Ask) => {
  const done = (methods[method] as (...given: unknown[]) => Promise<unknown>)(...args);
  done.then(
    (result) => process.send!({ id, result: result ?? null }),
    (error: Error) => process.send!({ id, error: error.message }),
  );
});
process.on('disconnect', () => process.exit(0));
