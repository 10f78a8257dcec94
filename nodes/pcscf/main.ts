import { startManagement } from '#manage/management-server';
import { startNode } from '#service/node-main';
import { runService } from '#service/service';
import { storeTables } from './registrations.ts';

await runService({
  role: 'pcscf',
  argv: process.argv.slice(2),
  start(config, context) {
    return startNode(config, context, import.meta.resolve('#nodes/pcscf/worker'), storeTables);
  },
  manage: startManagement,
});
