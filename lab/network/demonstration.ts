import type { LadderMessage } from '#manage/ladder';
import type { Call, CallEnd } from '../ue/call.ts';
import type { RegisterOutcome } from '../ue/registration.ts';
import type { Ue, UeEvents } from '../ue/ue.ts';
import { type Network, phoneName } from './network.ts';

/** One step of the demonstration, done. */
export interface StepReport {
  readonly step: string;
  readonly ok: boolean;
  /** What came of it. */
  readonly words: string;
  readonly milliseconds: number;
  readonly messages: readonly LadderMessage[];
}

/** What the phones heard, for the steps to look at. */
export interface Hearing {
  readonly events: readonly [UeEvents, UeEvents];
  /** Texts of messages that came, newest last. */
  readonly texts: string[];
  calls: Call[];
}

const stepMs = 15_000;
const answerMs = 100;
const talkMs = 150;
const greeting = 'Hello from the lab';

/** Phones that ring and answer, and keep what they are written. */
export function listenIn(): Hearing {
  const texts: string[] = [];
  const hearing: Hearing = {
    texts,
    calls: [],
    events: [phoneEvents(), phoneEvents()],
  };
  function phoneEvents(): UeEvents {
    return {
      incomingCall(call) {
        hearing.calls.push(call);
        call.ring();
        setTimeout(() => call.answer(), answerMs);
      },
      message: (message) => void texts.push(message.body),
    };
  }
  return hearing;
}

/** Registers both phones, makes a call between them and sends a message; reports each step. Gives whether all went well. */
export async function demonstrate(
  network: Network,
  hearing: Hearing,
  report: (step: StepReport) => void,
): Promise<boolean> {
  const [alice, bob] = network.phones;
  const [first, second] = network.config.phones.map(phoneName) as [string, string];
  const steps: [string, () => Promise<string>][] = [
    [`${first} registers`, () => register(alice)],
    [`${second} registers`, () => register(bob)],
    [`${first} calls ${second}`, () => callAndRelease(alice, bob, hearing)],
    [`${first} sends ${second} a message`, () => send(alice, bob, hearing)],
  ];
  let all = true;
  for (const [step, run] of steps) {
    const startMs = performance.now();
    let ok = true;
    let words: string;
    try {
      words = await within(run());
    } catch (error) {
      ok = false;
      words = (error as Error).message;
    }
    const milliseconds = performance.now() - startMs;
    await network.settle();
    report({ step, ok, words, milliseconds, messages: network.book.take() });
    all &&= ok;
  }
  return all;
}

async function register(phone: Ue): Promise<string> {
  const outcome: RegisterOutcome = await phone.register();
  if (!outcome.registered) throw new Error(`refused with ${outcome.status}: ${outcome.words}`);
  const identities = outcome.associatedUris.length === 0 ? phone.impu : outcome.associatedUris.join(', ');
  return `registered for ${outcome.expires} s as ${identities}`;
}

async function callAndRelease(from: Ue, to: Ue, hearing: Hearing): Promise<string> {
  let rang = false;
  const call = from.call(to.impu, {
    ringing: () => {
      rang = true;
    },
  });
  const answered = await call.answered;
  if (answered !== true) throw new Error(describeEnd(answered));
  if (!rang) throw new Error('answered without ringing');
  const taken = hearing.calls.at(-1);
  if (taken === undefined) throw new Error('somebody else answered');
  if ((await taken.answered) !== true) throw new Error('the ACK did not arrive');
  await new Promise((resolve) => setTimeout(resolve, talkMs));
  call.hangUp();
  const [end, other] = await Promise.all([call.ended, taken.ended]);
  if (end.by !== 'us' || end.status >= 300) throw new Error(describeEnd(end));
  if (other.by !== 'them') throw new Error('the BYE did not arrive');
  return `rang, was answered, talked and was released; the caller was shown as ${taken.peer}`;
}

async function send(from: Ue, to: Ue, hearing: Hearing): Promise<string> {
  const { status, words } = await from.message(to.impu, greeting);
  if (status >= 300) throw new Error(`refused with ${status}: ${words}`);
  if (hearing.texts.at(-1) !== greeting) throw new Error(`answered ${status}, but it did not arrive`);
  return `delivered: "${greeting}"`;
}

function describeEnd(end: CallEnd): string {
  return end.by === 'refused' ? `refused with ${end.status}: ${end.words}` : `ended by ${end.by}: ${end.words}`;
}

async function within(work: Promise<string>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${stepMs / 1000} s`)), stepMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
