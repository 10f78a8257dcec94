import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hasCapture } from './capture.ts';
import { NamespaceRig, skipWithoutNamespaces } from './namespaces.ts';

const skip = skipWithoutNamespaces('the tests with hosts of their own');

describe.skipIf(skip)('hosts of a test', () => {
  it('reach each other over IPv4 and IPv6, and are gone after the test', async () => {
    const rig = await NamespaceRig.open(['a', 'b', 'c']);
    const pids = [...rig.hosts.values()].map(({ pid }) => pid);
    try {
      for (const from of ['a', 'b', 'c']) {
        for (const to of ['a', 'b', 'c'].filter((name) => name !== from)) {
          const { address, address6 } = rig.host(to);
          expect(rig.host(from).run('ip', 'route', 'get', address)).toContain(`dev ${to} `);
          expect(rig.host(from).run('ip', '-6', 'route', 'get', address6)).toContain(`dev ${to} `);
        }
      }
    } finally {
      await rig.close();
    }
    expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
  });

  it.skipIf(!hasCapture)('can be captured', async () => {
    const rig = await NamespaceRig.open(['a', 'b']);
    try {
      const capture = await rig.capture('b', 'a');
      const script = `require('dgram').createSocket('udp4').send('x', 99, '${rig.host('b').address}', () => process.exit())`;
      rig.host('a').run(process.execPath, '-e', script);
      await capture.stop();
      expect(capture.read('udp.dstport == 99', ['ip.src'])).toContainEqual([rig.host('a').address]);
    } finally {
      await rig.close();
    }
  });
});
