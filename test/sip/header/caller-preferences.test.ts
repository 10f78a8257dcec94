import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import {
  type ContactPreference,
  formatContactPreference,
  formatRequestDisposition,
  parseContactPreferences,
  parseRequestDisposition,
  readPreferences,
  scoreOf,
} from '#sip/header/caller-preferences';
import { type FeatureCaps, formatFeatureCaps, parseFeatureCaps } from '#sip/header/feature-caps';
import { haveCommonValue, parseFeatures } from '#sip/header/feature-set';
import { Parameters } from '#sip/uri/parameters';

const token = (text: string, negated = false) => ({ kind: 'token', negated, text });
const range = (from: number, to: number, negated = false) => ({ kind: 'range', negated, from, to });

describe('feature tags', () => {
  it.each([
    [';audio', 'audio', [token('TRUE')]],
    [';Audio="FALSE"', 'audio', [token('FALSE')]],
    [';+g.3gpp.smsip', 'g.3gpp.smsip', [token('TRUE')]],
    [';methods="INVITE, !BYE"', 'methods', [token('INVITE'), token('BYE', true)]],
    [';mobility=fixed', 'mobility', [token('fixed')]],
    [
      ';+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"',
      'g.3gpp.icsi-ref',
      [token('urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel')],
    ],
    [';+sip.instance="<urn:uuid:1, 2>"', 'sip.instance', [{ kind: 'string', negated: false, text: 'urn:uuid:1, 2' }]],
    [';description="!<PC>"', 'description', [{ kind: 'string', negated: true, text: 'PC' }]],
    [';priority="#>=5"', 'priority', [range(5, Number.POSITIVE_INFINITY)]],
    [
      ';priority="#<=-1.5,!#=7,#2:3"',
      'priority',
      [range(Number.NEGATIVE_INFINITY, -1.5), range(7, 7, true), range(2, 3)],
    ],
  ])('S-122 RFC 3840 9 reads %s', (raw, tag, values) => {
    expect(parseFeatures(new Parameters(raw))).toEqual([{ tag, values }]);
  });

  it.each([
    ';q=0.5',
    ';expires=3600',
    ';require',
    ';audio="<x"',
    ';audio="#"',
    ';audio="#>=x"',
    ';audio="#1"',
    ';audio="#1:"',
    ';audio=","',
    ';audio="!"',
    ';priority="#>=1e3"',
    `;audio="${'a,'.repeat(100)}a"`,
  ])('S-122 leaves out %s', (raw) => {
    expect(parseFeatures(new Parameters(`${raw};video`))).toEqual([{ tag: 'video', values: [token('TRUE')] }]);
  });
});

describe('Accept-Contact, Reject-Contact, Request-Disposition', () => {
  const text = '*;+g.3gpp.icsi-ref="a,b";Require;explicit;new="x, y", * ;audio;mobility="mobile"';

  it('S-122 RFC 3841 9.2 reads preferences and writes them as they came', () => {
    const [first, second] = parseContactPreferences(text) as ContactPreference[];
    expect([first!.require, first!.explicit, first!.features.map(({ tag }) => tag)]).toEqual([
      true,
      true,
      ['g.3gpp.icsi-ref'],
    ]);
    expect([second!.require, second!.explicit, second!.features.map(({ tag }) => tag)]).toEqual([
      false,
      false,
      ['audio', 'mobility'],
    ]);
    expect([first!, second!].map(formatContactPreference)).toEqual([
      '*;+g.3gpp.icsi-ref="a,b";Require;explicit;new="x, y"',
      '*;audio;mobility="mobile"',
    ]);
  });

  it.each(['audio', '*x', '*;', '*;a="', '<sip:a@b>;audio'])('X-S11 refuses %j', (value) => {
    expect(parseContactPreferences(value)).toBeInstanceOf(ParseFailure);
  });

  it('S-122 RFC 3841 9.1 reads directives, the first of two that contradict each other', () => {
    const asked = parseRequestDisposition(['Proxy, no-FORK', 'fork,sequential, parallel, no-queue, x']);
    expect(asked).toEqual({
      server: 'proxy',
      cancel: null,
      fork: false,
      recurse: null,
      search: 'sequential',
      queue: false,
    });
    expect(formatRequestDisposition(asked)).toBe('proxy, no-fork, sequential, no-queue');
    expect(parseRequestDisposition([formatRequestDisposition(asked)])).toEqual(asked);
    expect(formatRequestDisposition(parseRequestDisposition(['']))).toBe('');
  });
});

describe('Feature-Caps', () => {
  it('C-33 RFC 6809 4.2 reads indicators, and writes them as they came', () => {
    const text = '*;+g.3gpp.srvcc;+G.3gpp.icsi-ref="a, b";other=1';
    const [caps] = parseFeatureCaps(`${text}, *`) as FeatureCaps[];
    expect([...caps!.capabilities]).toEqual([
      ['+g.3gpp.srvcc', ''],
      ['+g.3gpp.icsi-ref', 'a, b'],
    ]);
    expect(formatFeatureCaps(caps!)).toBe(text);
    expect(parseFeatureCaps('+g.3gpp.srvcc')).toBeInstanceOf(ParseFailure);
    expect(parseFeatureCaps('*;+a="')).toBeInstanceOf(ParseFailure);
  });
});

describe('features of a contact and wishes of a caller', () => {
  const feature = (raw: string) => parseFeatures(new Parameters(raw))[0]!;
  const score = (contact: string, accept: readonly string[], reject: readonly string[] = []) =>
    scoreOf(
      { accept: readPreferences(accept), reject: readPreferences(reject) },
      parseFeatures(new Parameters(contact)),
    );

  it.each([
    ['a token in any case', ';methods="invite"', ';methods="ACK,INVITE"', true],
    ['another token', ';methods="MESSAGE"', ';methods="ACK,INVITE"', false],
    ['a flag and its opposite', ';video', ';video="FALSE"', false],
    ['all but a token', ';video', ';video="!FALSE"', true],
    ['all but the one there is', ';language="en"', ';language="!en"', false],
    ['one of two that leaves another', ';language="en,de"', ';language="!en"', true],
    ['two that leave something open', ';language="!en"', ';language="!de"', true],
    ['a string by its case', ';description="<PC>"', ';description="<pc>"', false],
    ['the same string', ';description="<PC>"', ';description="<PC>"', true],
    ['a string and a token', ';description="<PC>"', ';description="PC"', false],
    ['numbers that meet', ';priority="#>=5"', ';priority="#1:5"', true],
    ['numbers that do not', ';priority="#>=6"', ';priority="#1:5"', false],
    ['a range beyond one that is not', ';priority="#4:7"', ';priority="!#1:5"', true],
    ['a range within one that is not', ';priority="#2:3"', ';priority="!#1:5"', false],
    ['a number and a token', ';priority="#=5"', ';priority="5"', false],
  ])('S-122 RFC 3841 7.2.4 compares %s', (_what, wanted, offered, together) => {
    expect(haveCommonValue(feature(wanted), feature(offered))).toBe(together);
    expect(haveCommonValue(feature(offered), feature(wanted))).toBe(together);
  });

  it.each([
    ['nothing is asked', ';audio', [], [], 1],
    ['all is there', ';audio;video', ['*;audio;video'], [], 1],
    ['one of two is said', ';audio', ['*;audio;video'], [], 0.5],
    ['one of two is another', ';audio;video="FALSE"', ['*;audio;video'], [], 0],
    ['one of two is another and required', ';audio;video="FALSE"', ['*;audio;video;require'], [], -1],
    ['one of two is not said but required', ';audio', ['*;audio;video;require'], [], 0.5],
    ['one of two is not said but explicit', ';audio', ['*;audio;video;explicit'], [], 0],
    ['one of two is not said but both', ';audio', ['*;audio;video;require;explicit'], [], -1],
    ['two wishes are fulfilled by half', ';audio', ['*;audio', '*;video;explicit'], [], 0.5],
    ['it is rejected', ';audio;automata', [], ['*;automata'], -1],
    ['it is rejected only where all is said', ';automata', [], ['*;automata;video'], 1],
    ['nothing in particular is rejected', ';audio', [], ['*'], 1],
    ['anything will do', ';audio', ['*'], [], 1],
    ['nobody knows what it can do', ';expires=600', ['*;video;require;explicit'], ['*;audio'], 1],
    ['a wish cannot be read', ';audio', ['video;require'], [], 1],
  ])('S-122 RFC 3841 7.2.4 judges a contact when %s', (_when, contact, accept, reject, wanted) => {
    expect(score(contact, accept, reject)).toBe(wanted);
  });

  it('S-122 X-S16 takes who asks for too much as asking for nothing', () => {
    expect(readPreferences(Array.from({ length: 21 }, () => '*;audio'))).toEqual([]);
    expect(readPreferences(Array.from({ length: 20 }, () => '*;audio'))).toHaveLength(20);
    const many = Array.from({ length: 100 }, (_, i) => `v${i}`).join(',');
    expect(readPreferences(Array.from({ length: 11 }, () => `*;language="${many}"`))).toEqual([]);
  });
});
