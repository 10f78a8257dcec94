import { readTlsFiles } from '#sip/transport/tls-files';
import type { TlsSettings } from '#sip/transport/tls-security';
import type { ReportProblem } from './config-problem.ts';
import { checkFilesExist } from './named-files.ts';

/** Reads the certificates of the `tls` section once, so that `--check` tells what is wrong with them. */
export function checkTls(tls: TlsSettings, problem: ReportProblem): void {
  const { certificate, key, ca } = tls;
  const ownThere = checkFilesExist({ certificate, key, ...(ca === undefined ? {} : { ca }) }, [], problem);
  const othersThere = tls.serverNames.map((pair, i) =>
    checkFilesExist({ certificate: pair.certificate, key: pair.key }, ['serverNames', String(i)], problem),
  );
  if (!ownThere || othersThere.includes(false)) return;
  const read = readTlsFiles(tls);
  if ('fault' in read) problem(read.path, read.fault, read.suggestion);
}
