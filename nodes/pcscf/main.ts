import { startManagement } from '#manage/management-server';
import { startNode } from '#service/node-main';
import { runService } from '#service/service';

await runService({
  role: 'pcscf',
  argv: process.argv.slice(2),
  start(config, context) {
    if (config.rx.mode !== 'off') {
      throw new Error(`rx.mode is ${config.rx.mode}, but this version asks no PCRF yet: write rx: { mode: off }`);
    }
    return startNode(config, context, import.meta.resolve('#nodes/pcscf/worker'));
  },
  manage: startManagement,
});
