import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { DebianKernel } from './debian-kernel.ts';
import { fileName, firstModules, firstScript, modprobeScript, secondScript } from './guest-scripts.ts';
import { fileEntry, folderEntry, initramfs } from './initramfs.ts';

/** Without what is new in the emulation of QEMU 7.2, and slow there. */
const processor = 'max,la57=off,pku=off,avx=off,avx2=off,f16c=off,fma=off,bmi1=off,bmi2=off,adx=off';
const marker = 'guest-program-ended';

/** What runs in the guest, as sh text, and how long it may take with the boot. */
export interface GuestProgram {
  readonly script: string;
  readonly seconds: number;
  readonly line: (text: string) => void;
}

/**
 * Boots the kernel under qemu's software emulation, runs the program there on the host's own file tree (read-only; writes
 * stay in the guest's memory) and gives its exit code; 124 when it took too long, 125 when the guest ended without one.
 */
export async function runGuest(kernel: DebianKernel, program: GuestProgram): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'cscf-guest-'));
  try {
    const archive = join(folder, 'initramfs');
    writeFileSync(archive, firstFileSystem(kernel, program.script));
    return await boot(kernel.image, archive, program);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function firstFileSystem(kernel: DebianKernel, script: string): Buffer {
  const tree = join(kernel.root, 'lib/modules', kernel.version);
  const first = firstModules(readFileSync(join(tree, 'modules.dep'), 'utf8'));
  const modules = first.map((path) => fileEntry(`modules/${fileName(path)}`, readFileSync(join(tree, path))));
  const places = ['bin', 'dev', 'host', 'memory', 'modules', 'proc', 'root', 'sys'];
  return initramfs([
    ...places.map(folderEntry),
    fileEntry('bin/busybox', readFileSync('/bin/busybox')),
    fileEntry('init', firstScript(kernel.root, first)),
    fileEntry('second', secondScript(marker)),
    fileEntry('modprobe', modprobeScript),
    fileEntry('program', script),
    ...modules,
  ]);
}

/**
 * Hardware: an emulated processor, memory, a console and the host's tree; no network card. With several processors in
 * threads of their own (QEMU 7.2) Node.js crashes now and then in code it has just compiled, and nothing is faster.
 */
function machine(image: string, archive: string): string[] {
  return [
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'stdio'],
    ...['-machine', 'q35', '-accel', 'tcg,thread=single', '-cpu', processor, '-smp', '1', '-m', '3072'],
    ...['-fsdev', 'local,id=host,path=/,security_model=none,readonly=on,multidevs=remap'],
    ...['-device', 'virtio-9p-pci,fsdev=host,mount_tag=host'],
    ...['-kernel', image, '-initrd', archive],
    ...['-append', 'console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off random.trust_cpu=on'],
  ];
}

function boot(image: string, archive: string, program: GuestProgram): Promise<number> {
  const child = spawn('qemu-system-x86_64', machine(image, archive), { stdio: ['ignore', 'pipe', 'inherit'] });
  let code = 125;
  // qemu would go on without us.
  const stop = () => process.exit(130);
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill).once('SIGINT', stop).once('SIGTERM', stop);
  const limit = setTimeout(() => {
    code = 124;
    child.kill('SIGKILL');
  }, program.seconds * 1000);
  createInterface({ input: child.stdout }).on('line', (text) => {
    // What the program left on its last line stands before it.
    const ended = text.indexOf(`${marker} `);
    if (ended >= 0) code = Number(text.slice(ended + marker.length).trim());
    else program.line(text.replace(/\r$/, ''));
  });
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      clearTimeout(limit);
      reject(error);
    });
    child.once('close', () => {
      clearTimeout(limit);
      process.off('exit', kill).off('SIGINT', stop).off('SIGTERM', stop);
      resolve(code);
    });
  });
}
