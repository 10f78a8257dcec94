import { avp, encodedAvps } from '#diameter/codec/avp-types';
import { encodeAvps, encodeMessage } from '#diameter/codec/encode';
import { baseAvps, baseCommands, baseGroups } from '#diameter/dictionary/base';
import { cxAvps, cxCommands, cxGroups, etsiAvps } from '#diameter/dictionary/cx';
import { type CommandDefinition, createDictionary, type Dictionary, withGroups } from '#diameter/dictionary/dictionary';
import { rxAvps, rxCommands, rxGroups } from '#diameter/dictionary/rx';
import { exampleAnswer, exampleRequest } from '../diameter/example-messages.ts';

/** Everything that any node may meet. */
export const wholeDictionary: Dictionary = withGroups(
  createDictionary(baseAvps, cxAvps, etsiAvps, rxAvps, {
    number64: { name: 'Number-64', code: 4001, vendor: 0, type: 'Unsigned64', mandatory: false },
    signed64: { name: 'Signed-64', code: 4002, vendor: 0, type: 'Integer64', mandatory: false },
    signed32: { name: 'Signed-32', code: 4003, vendor: 0, type: 'Integer32', mandatory: false },
    float32: { name: 'Float-32', code: 4004, vendor: 0, type: 'Float32', mandatory: false },
    float64: { name: 'Float-64', code: 4005, vendor: 0, type: 'Float64', mandatory: false },
  }),
  baseGroups,
  cxGroups,
  rxGroups,
);

export const allCommands: readonly CommandDefinition[] = [baseCommands, cxCommands, rxCommands].flatMap((table) =>
  Object.values(table as Readonly<Record<string, CommandDefinition>>),
);

const header = { flags: 0xc0, command: 304, application: 16_777_216, hopByHop: 1, endToEnd: 2 };

/** Messages of every command with all AVPs of their tables, and what has confused Diameter nodes before. Latin1. */
export function diameterSeeds(): readonly string[] {
  let nested = encodeAvps([avp(baseAvps.userName, 'x')]);
  for (let depth = 0; depth < 12; depth++) nested = encodeAvps([avp(cxAvps.sipAuthDataItem, [encodedAvps(nested)])]);
  const other = { name: 'Other', code: 4711, vendor: 4242, type: 'OctetString', mandatory: true } as const;
  const numbers = [4001, 4002, 4003, 4004, 4005].map((code) => {
    const definition = wholeDictionary.find(code, 0)!;
    return { definition, value: Buffer.alloc(definition.name.endsWith('64') ? 8 : 4, 64) };
  });
  const odd = [
    encodeMessage(header, [encodedAvps(nested)]),
    encodeMessage(header, new Array(64).fill(avp(baseAvps.originHost, 'hss.ims.test'))),
    encodeMessage(header, new Array(4097).fill(avp(baseAvps.firmwareRevision, 1))),
    encodeMessage(header, [avp(baseAvps.sessionId, 'a\0b;1;2'), avp(other, 'x'), avp(baseAvps.load, [])]),
    encodeMessage(header, [
      ...numbers,
      ...['127.0.0.1', '::', '1:2:3:4:5:6:7:8'].map((ip) => avp(baseAvps.hostIpAddress, ip)),
    ]),
    encodeMessage(header, [avp(baseAvps.eventTimestamp, 0), { definition: other, value: Buffer.alloc(40, 1) }]),
    Buffer.from('0100001c80000101000000000000000100000002000001074000000e', 'hex'),
    Buffer.from('01000018c00001300100000000000001000000020000010a', 'hex'),
    Buffer.from('0100001cc0000130010000000000000100000002000002598000000a', 'hex'),
  ];
  const known = allCommands.flatMap((command) => [
    exampleRequest(command, wholeDictionary),
    exampleAnswer(command, wholeDictionary),
    exampleAnswer(command, wholeDictionary, true),
  ]);
  return [...known, ...odd].map((octets) => octets.toString('latin1'));
}
