/*
 * What runs inside the guest before and around the program: plain sh for busybox. Nothing of the host can be written to:
 * its file tree is mounted read-only, what the guest writes stays in its memory.
 */

/** What leads to the mounted host tree; the modules that these need come before them. */
const neededModules: readonly string[] = ['virtio_pci', '9pnet_virtio', '9p', 'overlay'];

/** Paths of the modules to load first, in an order that works, from the text of modules.dep. */
export function firstModules(dependencies: string): readonly string[] {
  const lines = dependencies.split('\n').map((line) => line.split(': '));
  const chosen = new Set<string>();
  for (const name of neededModules) {
    const line = lines.find(([path]) => path?.endsWith(`/${name}.ko`) || path?.endsWith(`/${name}.ko:`));
    if (!line) throw new Error(`this kernel has no module ${name}`);
    // The deepest need stands last.
    const needs = line.slice(1).join(' ').split(' ').filter(Boolean).reverse();
    for (const path of [...needs, line[0]!.replace(/:$/, '')]) chosen.add(path);
  }
  return [...chosen];
}

/** The last part of a path. */
export function fileName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The first program of the kernel: mounts the host's tree and goes there. */
export function firstScript(modulesRoot: string, modules: readonly string[]): string {
  const shares = 'trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro';
  return `#!/bin/busybox sh
bb=/bin/busybox
$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
$bb mount -t devtmpfs devtmpfs /dev
for module in ${modules.map(fileName).join(' ')}; do $bb insmod /modules/$module || echo "no $module"; done
$bb mount -t 9p -o ${shares} host /host || echo "no host tree"
$bb mount -t tmpfs tmpfs /memory
$bb mkdir /memory/upper /memory/work
$bb mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work overlay /root || echo "no overlay"
for place in proc sys dev; do $bb mount --move /$place /root/$place; done
$bb mkdir -p /root/dev/pts /root/dev/shm /root/lib/modules /root/guest
$bb mount -t devpts devpts /root/dev/pts
$bb mount -t tmpfs tmpfs /root/dev/shm
$bb mount -t tmpfs tmpfs /root/run
$bb cp /bin/busybox /modprobe /program /second /root/guest/
$bb mount --bind /root${modulesRoot}/lib/modules /root/lib/modules
exec $bb switch_root /root /guest/second
`;
}

/** The kernel's helper that loads what is asked for by name. */
export const modprobeScript = `#!/guest/busybox sh
exec /guest/busybox modprobe "$@"
`;

/** Runs the program and tells its exit code on the console. */
export function secondScript(marker: string): string {
  return `#!/guest/busybox sh
bb=/guest/busybox
echo /guest/modprobe > /proc/sys/kernel/modprobe
$bb ip link set lo up
$bb modprobe tun
/bin/sh /guest/program
code=$?
[ $code = 0 ] || $bb dmesg | $bb grep -E 'segfault|Out of memory|traps:' | $bb tail -n 5
echo "${marker} $code"
$bb poweroff -f
`;
}
