/**
 * Counters of all threads in shared memory: each thread adds to its own block with a plain store, the main thread reads
 * all blocks without asking anyone.
 */

/** Series that belong together under one metric name. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Labels with every value they can take; one series per combination is there from the start. */
  readonly labels?: Readonly<Record<string, readonly string[]>>;
  /** A further label whose values appear while running, such as `reason`. */
  readonly dynamic?: string;
  /** Told for each thread, with the label `worker`, instead of as a sum. */
  readonly perWorker?: true;
  /** Of a histogram: upper bounds, ascending; the last bucket has none. */
  readonly bounds?: readonly number[];
}

/** One fixed series, or the head of the dynamic ones with these labels. */
export interface MetricSeries {
  readonly family: MetricFamily;
  /** Of the family; with `_bucket`, `_sum` or `_count` in a histogram. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A series with a value read from the blocks. */
export interface MetricValue extends MetricSeries {
  readonly value: number;
}

/** Dynamic series a block can hold; what comes later is counted under `other`. */
const maxDynamic = 256;
const nameBytes = 64;
/** Bytes of one dynamic series: the number of its head, the length of its name, the name in latin1. */
const slotBytes = 4 + nameBytes;

/**
 * Which series there are and where they stand in a block. Every thread builds it from the same families and so agrees
 * with the others.
 */
export class MetricLayout {
  readonly series: readonly MetricSeries[];
  readonly #ids = new Map<string, number>();

  constructor(families: readonly MetricFamily[]) {
    const series: MetricSeries[] = [];
    for (const family of families) {
      for (const combination of combinations(Object.entries(family.labels ?? {}))) {
        for (const { name, labels } of placesOf(family, combination)) {
          const key = seriesKey(name, labels);
          if (this.#ids.has(key)) throw new RangeError(`metric series ${key} is defined twice`);
          this.#ids.set(key, series.length);
          series.push({ family, name, labels });
        }
      }
    }
    this.series = series;
  }

  /** Number of a series, for `Counters.add`. Throws RangeError when the layout has none such: a mistake of the program. */
  id(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const id = this.#ids.get(seriesKey(name, labels));
    if (id === undefined) throw new RangeError(`no metric series ${seriesKey(name, labels)}`);
    return id;
  }

  /** Where a histogram is counted. Throws RangeError when there is none such. */
  histogram(name: string, labels: Readonly<Record<string, string>> = {}): HistogramPlace {
    const first = this.series[this.id(`${name}_sum`, labels)]!;
    return { bounds: first.family.bounds ?? [], sum: this.id(`${name}_sum`, labels) };
  }

  get bytes(): number {
    return (this.series.length + 1 + maxDynamic) * 8 + maxDynamic * slotBytes;
  }

  /** A new block, all zero. */
  createBlock(): SharedArrayBuffer {
    return new SharedArrayBuffer(this.bytes);
  }
}

/** Number of the sum of a histogram; its buckets follow, each counting what lies between two bounds. */
export interface HistogramPlace {
  readonly bounds: readonly number[];
  readonly sum: number;
}

function placesOf(family: MetricFamily, labels: Record<string, string>): Pick<MetricSeries, 'name' | 'labels'>[] {
  const { name, bounds } = family;
  if (bounds === undefined) return [{ name, labels }];
  const buckets = [...bounds.map(String), '+Inf'].map((le) => ({ name: `${name}_bucket`, labels: { ...labels, le } }));
  return [{ name: `${name}_sum`, labels }, ...buckets];
}

function combinations(labels: readonly (readonly [string, readonly string[]])[]): Record<string, string>[] {
  let rows: Record<string, string>[] = [{}];
  for (const [name, values] of labels) rows = rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value })));
  return rows;
}

function seriesKey(name: string, labels: Readonly<Record<string, string>>): string {
  const pairs = Object.keys(labels)
    .sort()
    .map((label) => `${label}="${labels[label]}"`);
  return `${name}{${pairs.join(',')}}`;
}

/** Views on a block: fixed values, the count of dynamic ones, their values, their heads and names. */
function viewsOf(layout: MetricLayout, block: SharedArrayBuffer) {
  const fixed = layout.series.length;
  return {
    values: new Float64Array(block, 0, fixed),
    used: new Int32Array(block, fixed * 8, 1),
    dynamic: new Float64Array(block, (fixed + 1) * 8, maxDynamic),
    slots: new DataView(block, (fixed + 1 + maxDynamic) * 8),
  };
}

/** The counters of one thread, its only writer. */
export class Counters {
  readonly #values: Float64Array;
  readonly #used: Int32Array;
  readonly #dynamic: Float64Array;
  readonly #slots: DataView;
  /** Per head: value of the dynamic label to position. */
  readonly #positions = new Map<number, Map<string, number>>();

  constructor(layout: MetricLayout, block: SharedArrayBuffer) {
    const views = viewsOf(layout, block);
    this.#values = views.values;
    this.#used = views.used;
    this.#dynamic = views.dynamic;
    this.#slots = views.slots;
    // A block that a thread left behind goes on where it stood.
    for (let position = 0; position < this.#used[0]!; position++) {
      const { head, name } = readSlot(this.#slots, position);
      this.#mapOf(head).set(name, position);
    }
  }

  /** Adds to a series. */
  add(id: number, amount = 1): void {
    this.#values[id]! += amount;
  }

  /** Counts a value into a histogram. */
  observe({ bounds, sum }: HistogramPlace, value: number): void {
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.#values[sum]! += value;
    this.#values[sum + 1 + bucket]! += 1;
  }

  /** Sets a gauge. */
  set(id: number, value: number): void {
    this.#values[id] = value;
  }

  /** Adds to the dynamic series of a head; `value` is text of ours (a reason id), cut to 64 characters. */
  addDynamic(head: number, value: string, amount = 1): void {
    const position = this.#positions.get(head)?.get(value) ?? this.#register(head, value);
    this.#dynamic[position]! += amount;
  }

  #register(head: number, value: string): number {
    const map = this.#mapOf(head);
    const used = this.#used[0]!;
    // The last place of the block is `other` and takes all that found none, under the head that came first.
    const full = used >= maxDynamic - 1;
    if (full && used >= maxDynamic) return maxDynamic - 1;
    const name = full ? 'other' : value.slice(0, nameBytes);
    const known = map.get(name);
    if (known !== undefined) return known;
    this.#slots.setUint16(used * slotBytes, head);
    this.#slots.setUint16(used * slotBytes + 2, name.length);
    for (let i = 0; i < name.length; i++) this.#slots.setUint8(used * slotBytes + 4 + i, name.charCodeAt(i) & 0xff);
    map.set(name, used);
    // Readers look at as many as are announced, so the name is there before its number.
    Atomics.store(this.#used, 0, used + 1);
    return used;
  }

  #mapOf(head: number): Map<string, number> {
    let map = this.#positions.get(head);
    if (map === undefined) this.#positions.set(head, (map = new Map()));
    return map;
  }
}

function readSlot(slots: DataView, position: number): { head: number; name: string } {
  const at = position * slotBytes;
  let name = '';
  for (let i = 0; i < slots.getUint16(at + 2); i++) name += String.fromCharCode(slots.getUint8(at + 4 + i));
  return { head: slots.getUint16(at), name };
}

/** Buckets count up to their bound, as Prometheus has it, and the last one is the count. Gives the number of the last place. */
function readHistogram(layout: MetricLayout, values: Float64Array, sum: number, rows: MetricValue[]): number {
  const { family, labels } = layout.series[sum]!;
  const last = sum + 1 + family.bounds!.length;
  let count = 0;
  for (let id = sum + 1; id <= last; id++) {
    count += values[id]!;
    rows.push({ ...layout.series[id]!, value: count });
  }
  rows.push({ ...layout.series[sum]!, value: values[sum]! });
  rows.push({ family, name: `${family.name}_count`, labels, value: count });
  return last;
}

/** All values of one block: the fixed series and the dynamic ones seen so far. */
export function readBlock(layout: MetricLayout, block: SharedArrayBuffer): MetricValue[] {
  const { values, used, dynamic, slots } = viewsOf(layout, block);
  const rows: MetricValue[] = [];
  for (let id = 0; id < layout.series.length; id++) {
    const series = layout.series[id]!;
    if (series.family.bounds !== undefined) id = readHistogram(layout, values, id, rows);
    else if (series.family.dynamic === undefined) rows.push({ ...series, value: values[id]! });
  }
  for (let position = 0; position < Atomics.load(used, 0); position++) {
    const { head, name } = readSlot(slots, position);
    const series = layout.series[head];
    if (series?.family.dynamic === undefined) continue;
    rows.push({
      family: series.family,
      name: series.name,
      labels: { ...series.labels, [series.family.dynamic]: name },
      value: dynamic[position]!,
    });
  }
  return rows;
}

/** The blocks of all threads of a daemon, as the main thread reads them. */
export class Metrics {
  readonly layout: MetricLayout;
  readonly #blocks = new Map<number, SharedArrayBuffer>();

  constructor(layout: MetricLayout) {
    this.layout = layout;
  }

  /** The block of a worker (-1: the transport side in a pool), made when first asked for; a replaced worker keeps it. */
  block(worker: number): SharedArrayBuffer {
    let block = this.#blocks.get(worker);
    if (block === undefined) this.#blocks.set(worker, (block = this.layout.createBlock()));
    return block;
  }

  /** Numbers of the workers that have a block, in order. */
  get workers(): number[] {
    return [...this.#blocks.keys()].sort((a, b) => a - b);
  }

  /** Sum of all series of a name over all threads; `labels` narrows it, `worker` looks at one thread only. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}, worker?: number): number {
    let total = 0;
    for (const [number, block] of this.#blocks) {
      if (worker !== undefined && number !== worker) continue;
      for (const row of readBlock(this.layout, block)) {
        if (row.name === name && Object.entries(labels).every(([label, value]) => row.labels[label] === value))
          total += row.value;
      }
    }
    return total;
  }

  /** Values of a name by one of its labels, summed over everything else; what is zero is left out. */
  by(name: string, label: string): Map<string, number> {
    const totals = new Map<string, number>();
    for (const row of this.values()) {
      const value = row.labels[label];
      if (row.name === name && value !== undefined && row.value !== 0)
        totals.set(value, (totals.get(value) ?? 0) + row.value);
    }
    return totals;
  }

  /** Every series, summed over the threads but where they are told apart. */
  values(): MetricValue[] {
    const totals = new Map<string, { -readonly [K in keyof MetricValue]: MetricValue[K] }>();
    for (const [worker, block] of this.#blocks) {
      for (const found of readBlock(this.layout, block)) {
        const own = found.family.perWorker === true;
        const row = own ? { ...found, labels: { ...found.labels, worker: String(worker) } } : found;
        const key = seriesKey(row.name, row.labels);
        const known = totals.get(key);
        if (known === undefined) totals.set(key, { ...row });
        else known.value += row.value;
      }
    }
    return [...totals.values()];
  }
}
