import { runService } from '#service/service';

/** A daemon whose certificates cannot be reloaded because of a defect. */
await runService({
  role: 'pcscf',
  argv: process.argv.slice(2),
  start: () =>
    Promise.resolve({
      listeners: [],
      peers: [],
      status: () => ({ workers: [], listeners: [], peers: [], registrations: 0, reasons: {} }),
      reload: () => Promise.reject(new Error('a defect')),
      drain: () => Promise.resolve(),
    }),
  // Something that keeps the process alive, as listeners do.
  manage() {
    const timer = setInterval(() => {}, 60_000);
    return Promise.resolve({ close: () => Promise.resolve(clearInterval(timer)) });
  },
});
