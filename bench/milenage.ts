import { Milenage, opcFromOp } from '#sip/auth/milenage';

const k = Buffer.from('465b5ce8b199b49faa5f0a2ee238a6bc', 'hex');
const opc = opcFromOp(k, Buffer.from('cdc202d5123e20f62b6d676ac72cb318', 'hex'));
const rand = Buffer.from('23553cbe9637a89d218ae64dae47bf35', 'hex');
const milenage = new Milenage(k, opc);
const { autn } = milenage.generateVector(rand, 1, 0x8000);

/** Cost of one AKA vector: HSS side with a living instance, with a new one per subscriber, and the USIM's check. */
export const benches = [
  {
    name: 'milenage vector',
    run(iterations: number): void {
      for (let i = 0; i < iterations; i++) milenage.generateVector(rand, i, 0x8000);
    },
  },
  {
    name: 'milenage vector, new instance',
    baseline: 'milenage vector',
    run(iterations: number): void {
      for (let i = 0; i < iterations; i++) new Milenage(k, opc).generateVector(rand, i, 0x8000);
    },
  },
  {
    name: 'milenage verifyAutn',
    baseline: 'milenage vector',
    run(iterations: number): void {
      for (let i = 0; i < iterations; i++) milenage.verifyAutn(rand, autn);
    },
  },
];
