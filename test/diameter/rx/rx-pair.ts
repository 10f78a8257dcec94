import { DiameterClient } from '#diameter/client';
import { decodeMessage } from '#diameter/codec/decode';
import { type DiameterMessage, isRequest } from '#diameter/codec/message';
import { rxDictionary } from '#diameter/dictionary/rx';
import { DecodeFailure } from '#diameter/errors';
import { RxClient } from '#diameter/rx/rx-client';
import { ManualClock } from '../manual-clock.ts';

export const pcscfIdentity = { originHost: 'pcscf.ims.test', originRealm: 'ims.test' };
export const pcrfIdentity = { originHost: 'pcrf.epc.test', originRealm: 'epc.test' };

export function decodeRx(message: Buffer): DiameterMessage {
  const decoded = decodeMessage(message, rxDictionary);
  if (decoded instanceof DecodeFailure) throw new Error(decoded.reason);
  return decoded;
}

/** `code` of every AVP of a message, in order. */
export function codesOf(message: DiameterMessage): number[] {
  const codes: number[] = [];
  message.avps.forEach((_offset, code) => {
    codes.push(code);
  });
  return codes;
}

/** A P-CSCF and a PCRF joined by function calls; `wire` is every message either of them sent. */
export function rxPair(originStateId?: number) {
  const clock = new ManualClock();
  const wire: Buffer[] = [];
  const messages: DiameterMessage[] = [];
  const note = (message: Buffer) => {
    wire.push(message);
    messages.push(decodeRx(message));
  };
  const toPcrf = (message: Buffer) => {
    note(message);
    pcrf.onMessage(message);
  };
  const toPcscf = (message: Buffer) => {
    note(message);
    pcscf.onMessage(message);
  };
  const options = { worker: 0, dictionary: rxDictionary, clock, bootSeconds: 3911223344 };
  const pcscf: DiameterClient = new DiameterClient(
    { send: toPcrf, answer: toPcrf },
    { ...options, identity: pcscfIdentity },
  );
  const pcrf: DiameterClient = new DiameterClient(
    { send: toPcscf, answer: toPcscf },
    { ...options, identity: pcrfIdentity },
  );
  return {
    clock,
    wire,
    messages,
    pcscf,
    pcrf,
    af: new RxClient(pcscf, { realm: 'epc.test', originStateId }),
    server: new RxClient(pcrf, { realm: 'ims.test' }),
    requests: (command: number) => messages.filter((m) => m.command === command && isRequest(m.octets)),
  };
}
