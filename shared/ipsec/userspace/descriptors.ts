import { closeSync, constants, openSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { IpsecError } from '../ipsec-backend.ts';
import type { Descriptors } from './data-path.ts';
import { addressOctets, socketAddress } from './ip-packet.ts';
import type { Libc } from './libc.ts';

/*
 * The descriptors of the data path. All are closed when a program is executed: no child keeps the TUN device alive.
 */

const inet = 2;
const inet6 = 10;
const rawNonBlocking = 3 | 0o2004000;
const protocolEsp = 50;
const protocolRaw = 255;
const levelSocket = 1;
const levelIp = 0;
const levelIpv6 = 41;
const optionSendBufferForce = 32;
const optionReceiveBufferForce = 33;
const optionMark = 36;
const optionMtuDiscover4 = 10;
const optionMtuDiscover6 = 23;
const optionHeaderIncluded6 = 36;
const requestSetInterface = 0x400454ca;
/** IFF_TUN and IFF_NO_PI. */
const tunFlags = 0x1001;
const bufferBytes = 8 * 1024 * 1024;
const eventFlags = 0o2004000;

/** The mark of packets that the data path has opened: the guard lets them pass. No packet from outside has one. */
export const openedMark = 0x45535031;

/**
 * Opens the TUN device of that name, the sockets for opened packets and the wake-up. Throws IpsecError: DENIED without
 * rights, EXISTS when another process has the device, UNSUPPORTED where there are none.
 */
export function openDescriptors(libc: Libc, device: string): Descriptors {
  const tun = openTun(libc, device);
  try {
    const wake = checked(libc, libc.eventfd(0, eventFlags), 'eventfd');
    return { tun, wake, inject4: openInjector(libc, inet), inject6: openInjector(libc, inet6) };
  } catch (error) {
    closeSync(tun);
    throw error;
  }
}

export function closeDescriptors({ tun, wake, inject4, inject6 }: Descriptors): void {
  for (const fd of [tun, wake, inject4, inject6]) if (fd >= 0) closeSync(fd);
}

/** A raw socket for ESP to and from a local address. */
export function openEspSocket(libc: Libc, address: string): number {
  const octets = addressOctets(address);
  const isV4 = octets.length === 4;
  const fd = checked(libc, libc.socket(isV4 ? inet : inet6, rawNonBlocking, protocolEsp), 'raw socket');
  const name = socketAddress(octets);
  try {
    // The network may fragment what is too long for it.
    setOption(libc, fd, isV4 ? levelIp : levelIpv6, isV4 ? optionMtuDiscover4 : optionMtuDiscover6, 0);
    setOption(libc, fd, levelSocket, optionReceiveBufferForce, bufferBytes);
    setOption(libc, fd, levelSocket, optionSendBufferForce, bufferBytes);
    checked(libc, libc.bind(fd, name, name.length), `bind to ${address}`);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}

function openTun(libc: Libc, device: string): number {
  const fd = openTunFile();
  const request = Buffer.alloc(40);
  request.write(device, 0, 15, 'latin1');
  request.writeUInt16LE(tunFlags, 16);
  try {
    checked(libc, libc.ioctl(fd, requestSetInterface, request), `TUN device ${device}`);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}

function openTunFile(): number {
  try {
    return openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const denied = code === 'EACCES' || code === 'EPERM';
    if (denied) throw new IpsecError('ERR_IPSEC_DENIED', `no right to open /dev/net/tun (${code})`);
    throw new IpsecError('ERR_IPSEC_UNSUPPORTED', `no /dev/net/tun (${code ?? (error as Error).message})`);
  }
}

/** A raw socket that takes whole packets with their IP header; -1 where the IP version is off. */
function openInjector(libc: Libc, domain: number): number {
  const fd = libc.socket(domain, rawNonBlocking, protocolRaw);
  if (fd < 0 && getSystemErrorName(-libc.errno()) === 'EAFNOSUPPORT') return -1;
  checked(libc, fd, 'raw socket');
  setOption(libc, fd, levelSocket, optionMark, openedMark);
  if (domain === inet6) setOption(libc, fd, levelIpv6, optionHeaderIncluded6, 1);
  setOption(libc, fd, levelSocket, optionSendBufferForce, bufferBytes);
  return fd;
}

function setOption(libc: Libc, fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  checked(libc, libc.setsockopt(fd, level, name, bytes, 4), `socket option ${level}/${name}`);
}

function checked(libc: Libc, result: number, what: string): number {
  if (result >= 0) return result;
  const name = getSystemErrorName(-libc.errno());
  if (name === 'EPERM' || name === 'EACCES') {
    throw new IpsecError('ERR_IPSEC_DENIED', `${what}: no CAP_NET_ADMIN and CAP_NET_RAW (${name})`);
  }
  if (name === 'EBUSY') throw new IpsecError('ERR_IPSEC_EXISTS', `${what}: another process has it`);
  throw new IpsecError('ERR_IPSEC_FAILED', `${what}: ${name}`);
}
