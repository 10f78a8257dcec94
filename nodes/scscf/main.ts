import { startManagement } from '#manage/management-server';
import { startNode } from '#service/node-main';
import { runService } from '#service/service';
import { storeTables } from './scscf.ts';

await runService({
  role: 'scscf',
  argv: process.argv.slice(2),
  start: (config, context) => startNode(config, context, import.meta.resolve('#nodes/scscf/worker'), storeTables),
  manage: startManagement,
});
