import { createSocket } from 'node:dgram';
import { keysOf } from '#ipsec/key-derivation';
import type {
  EncryptionAlgorithm,
  Endpoint,
  IntegrityAlgorithm,
  SecurityAssociation,
} from '#ipsec/security-association';
import { openUserspaceBackend } from '#ipsec/userspace/userspace-backend';

/*
 * One end of ipsec-round-trips.ts, in a network namespace of its own:
 * ipsec-host.ts (echo | ask) LOCAL REMOTE INTEGRITY ENCRYPTION, with plain for INTEGRITY and ENCRYPTION where there is no ESP.
 * `echo` gives back what comes, and says when it is ready. `ask` sends, so many datagrams under way, and prints the rate.
 */
const bytes = 600;
const underWay = 32;
const warmUpMs = 1000;
const ms = 4000;
const server: Endpoint = { address: '10.78.0.1', port: 5063 };
const client: Endpoint = { address: '10.78.0.2', port: 5100 };

const [role, integrity, encryption] = process.argv.slice(2);
const [local, remote] = role === 'echo' ? [server, client] : [client, server];
const backend = integrity === 'plain' ? null : await openUserspaceBackend();
await backend?.guard([local]);
await backend?.add([association('in', 4711), association('out', 4712)]);
const socket = createSocket('udp4');
if (role === 'echo') echo();
else ask();

function association(direction: 'in' | 'out', spi: number): SecurityAssociation {
  const pair = [integrity as IntegrityAlgorithm, encryption as EncryptionAlgorithm] as const;
  const ends = direction === 'in' ? { source: remote!, destination: local! } : { source: local!, destination: remote! };
  // Each end numbers from its own side: what goes out here comes in there.
  const number = role === 'echo' ? spi : 9423 - spi;
  const keys = keysOf(...pair, Buffer.alloc(16, 1), Buffer.alloc(16, 2));
  const [chosen, life] = [
    { integrity: pair[0], encryption: pair[1] },
    { lifetimeSeconds: 600, firstSequence: 0 },
  ];
  return { direction, ...ends, spi: number, ...chosen, ...keys, ...life };
}

function echo(): void {
  socket.on('message', (datagram, { address, port }) => socket.send(datagram, port, address));
  socket.bind(local.port, local.address, () => console.log('ready'));
}

function ask(): void {
  const datagram = Buffer.alloc(bytes, 'x');
  const send = () => socket.send(datagram, remote.port, remote.address);
  let [done, before] = [0, 0];
  socket.on('message', () => {
    done++;
    send();
  });
  socket.bind(local.port, local.address, () => {
    for (let i = 0; i < underWay; i++) send();
  });
  setTimeout(() => {
    before = done;
  }, warmUpMs);
  setTimeout(() => end(done - before), warmUpMs + ms);
}

/** A datagram that is lost is never sent again: fewer are under way from then on. */
function end(roundTrips: number): void {
  let last = 0;
  socket.removeAllListeners('message').on('message', () => last++);
  setTimeout(async () => {
    const refused = JSON.stringify(await backend?.counters());
    console.log(
      `${Math.round((roundTrips * 1000) / ms)} round trips/s, ${underWay - last} lost, refused ${refused ?? '-'}`,
    );
    process.exit();
  }, 300);
}
