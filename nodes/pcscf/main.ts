import { startManagement } from '#manage/management-server';
import { startNode } from '#service/node-main';
import { runService } from '#service/service';
import { callsEmergencyNumber } from './emergency-numbers.ts';
import { storeTables } from './registrations.ts';

await runService({
  role: 'pcscf',
  argv: process.argv.slice(2),
  start(config, context) {
    const module = import.meta.resolve('#nodes/pcscf/worker');
    return startNode(config, context, module, storeTables, callsEmergencyNumber);
  },
  manage: startManagement,
});
