import { describe, expect, it } from 'vitest';
import { defaultKernelOptions, KernelBackend } from '#ipsec/kernel/kernel-backend';
import { countersIn, countersSince } from '#ipsec/kernel/kernel-counters';
import { type Agreement, associationSet, usualAgreement } from './guest/association-set.ts';
import { KernelTables } from './kernel-tables.ts';

const agreement: Agreement = { ...usualAgreement, ue: '10.0.0.2', pcscf: '10.0.0.1' };
const { pc, ps } = agreement.ports;
const ports = [
  { address: '10.0.0.1', port: pc },
  { address: '10.0.0.1', port: ps },
];

function open(tables = new KernelTables()) {
  const now = () => tables.nowSeconds * 1000;
  return { tables, backend: new KernelBackend(tables, { ...defaultKernelOptions, now }) };
}

describe('the back end on the tables of a kernel', () => {
  it('P-35 installs four associations and no policy per UE', async () => {
    const { tables, backend } = open();
    await backend.guard(ports);
    expect(tables.policies.size).toBe(8);
    await backend.add(associationSet('pcscf', agreement));
    expect([tables.states.size, tables.policies.size]).toEqual([4, 8]);
    expect((await backend.list()).map(({ direction, spi }) => `${direction} ${spi.toString(16)}`)).toEqual([
      'in 44444444',
      'out 11111111',
      'out 22222222',
      'in 33333333',
    ]);
  });

  it('P-39 installs all of a set or none, and leaves alone what was there', async () => {
    const { tables, backend } = open();
    await backend.add(associationSet('pcscf', agreement));
    const second = { ...agreement, spis: { uc: 301, us: agreement.spis.us, ps: 303, pc: 304 } };
    await expect(backend.add(associationSet('pcscf', second))).rejects.toMatchObject({ code: 'ERR_IPSEC_EXISTS' });
    expect([...tables.states.values()].map(({ spi }) => spi).sort()).toEqual(Object.values(agreement.spis).sort());
  });

  it.each([
    ['an SPI below 256', { spis: { ...agreement.spis, uc: 255 } }],
    ['no lifetime', { lifetimeSeconds: 0 }],
    ['a sequence number past the last', { firstSequence: 0xffffffff }],
  ])('P-35 refuses %s before it changes anything', async (_, change) => {
    const { tables, backend } = open();
    await expect(backend.add(associationSet('pcscf', { ...agreement, ...change }))).rejects.toMatchObject({
      code: 'ERR_IPSEC_FAILED',
    });
    expect(tables.states.size).toBe(0);
  });

  it('P-39 removes what is there and does not mind what is not', async () => {
    const { tables, backend } = open();
    const set = associationSet('pcscf', agreement);
    await backend.add(set.slice(0, 2));
    await backend.remove(set);
    expect(tables.states.size).toBe(0);
  });

  it.each([
    ['counts what has passed on top', 400, 400 + 3600],
    ['lives longer, not shorter, when the clock was set back', -7200, 3600],
  ])('P-52 an extension %s', async (_, passed, hardSeconds) => {
    const { tables, backend } = open();
    const set = associationSet('pcscf', agreement);
    await backend.add(set);
    tables.nowSeconds += passed;
    await backend.extend(set, 3600);
    expect([...tables.states.values()].map((state) => state.hardSeconds)).toEqual(Array(4).fill(hardSeconds));
  });

  it('P-52 extends nothing when one of them is gone', async () => {
    const { tables, backend } = open();
    const set = associationSet('pcscf', agreement);
    await backend.add(set.slice(1));
    await expect(backend.extend(set, 3600)).rejects.toMatchObject({ code: 'ERR_IPSEC_FAILED' });
    expect([...tables.states.values()].map(({ hardSeconds }) => hardSeconds)).toEqual([600, 600, 600]);
  });

  it.each([true, false])('P-39 lists what an earlier life installed, with marks in the selector: %s', async (marks) => {
    const tables = new KernelTables();
    tables.marks = marks;
    const earlier = open(tables).backend;
    await earlier.guard(ports);
    await earlier.add(associationSet('pcscf', agreement));
    await earlier.close(true);

    const { backend } = open(tables);
    await backend.guard(ports);
    expect(await backend.list()).toEqual(
      associationSet('pcscf', agreement).map(({ direction, source, destination, spi }) => {
        return { direction, source, destination, spi };
      }),
    );
  });

  it('P-39 does not list what has another tag or another local address', async () => {
    const tables = new KernelTables();
    const other = new KernelBackend(tables, { ...defaultKernelOptions, tag: defaultKernelOptions.tag + 2 });
    await other.add(associationSet('pcscf', agreement));
    const { backend } = open(tables);
    await backend.guard(ports);
    await backend.add(
      associationSet('pcscf', { ...agreement, pcscf: '10.0.0.9', spis: { uc: 301, us: 302, pc: 303, ps: 304 } }),
    );
    expect(await backend.list()).toEqual([]);
  });

  it('P-39 the first guard removes leftovers of its tag and address only', async () => {
    const tables = new KernelTables();
    const { tag } = defaultKernelOptions;
    const leftover = { direction: 'in', local: { address: '10.0.0.1', port: 7777 }, protocol: 17, tag } as const;
    const others = [
      { ...leftover, local: { address: '10.0.0.1', port: 7778 }, tag: tag + 2 },
      { ...leftover, local: { address: '10.0.0.9', port: 7779 } },
    ];
    await tables.apply([leftover, ...others].map((policy) => ({ kind: 'guard', policy })));
    const { backend } = open(tables);
    await backend.guard(ports);
    expect([...tables.policies.values()].map(({ local }) => local.port).toSorted((a, b) => a - b)).toEqual([
      ...Array(4).fill(pc),
      ...Array(4).fill(ps),
      7778,
      7779,
    ]);
    await backend.guard([{ address: '10.0.0.1', port: 5070 }]);
    expect(tables.policies.size).toBe(14);
  });

  it('P-39 closed for good nothing of it stays, else everything does', async () => {
    const { tables, backend } = open();
    await backend.guard(ports);
    await backend.add(associationSet('pcscf', agreement));
    await backend.close(true);
    expect([tables.states.size, tables.policies.size, tables.closed]).toEqual([4, 8, true]);

    const next = open(tables).backend;
    await next.guard(ports);
    await next.close(false);
    expect([tables.states.size, tables.policies.size]).toEqual([0, 0]);
  });
});

describe("the kernel's counters", () => {
  it('X-I12 are told as what they mean', () => {
    const text = [
      'XfrmInError             \t9',
      'XfrmInNoStates          \t1',
      'XfrmInStateProtoError   \t2',
      'XfrmInStateSeqError     \t3',
      'XfrmInStateMismatch     \t4',
      'XfrmInTmplMismatch      \t5',
      'XfrmOutNoStates         \t6',
    ].join('\n');
    const counters = countersIn(text);
    expect(counters).toEqual({ unknown: 1, integrity: 2, replay: 3, mismatch: 4, plain: 11 });
    expect(countersSince(countersIn('XfrmInTmplMismatch 5'), counters)).toEqual({ ...counters, plain: 6 });
  });
});
