/** A file or folder of an initramfs: `mode` with its type bits, as in stat. */
export interface ArchiveEntry {
  readonly path: string;
  readonly mode: number;
  readonly data: Buffer;
}

const regularFile = 0o100755;
const folder = 0o040755;

/** An executable file, for `initramfs`. */
export function fileEntry(path: string, data: Buffer | string): ArchiveEntry {
  return { path, mode: regularFile, data: typeof data === 'string' ? Buffer.from(data) : data };
}

/** An empty folder, for `initramfs`. */
export function folderEntry(path: string): ArchiveEntry {
  return { path, mode: folder, data: Buffer.alloc(0) };
}

/**
 * An archive that Linux unpacks as its first file system: cpio in the "newc" form, not compressed.
 * Source: Documentation/driver-api/early-userspace/buffer-format.rst of Linux.
 */
export function initramfs(entries: readonly ArchiveEntry[]): Buffer {
  const end: ArchiveEntry = { path: 'TRAILER!!!', mode: 0, data: Buffer.alloc(0) };
  return Buffer.concat([...entries, end].flatMap((entry, at) => member(entry, at + 1)));
}

function member(entry: ArchiveEntry, inode: number): Buffer[] {
  const name = Buffer.from(`${entry.path}\0`);
  // inode, mode, uid, gid, links, mtime, size, device twice, its own device twice, length of the name, check.
  const fields = [inode, entry.mode, 0, 0, 1, 0, entry.data.length, 0, 0, 0, 0, name.length, 0];
  const head = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return [padded(Buffer.concat([Buffer.from(head), name])), padded(entry.data)];
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
