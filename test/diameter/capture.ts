/** A capture of TCP segments from port 40000 to 3868, each message whole in one. */
export function capture(messages: readonly Buffer[]): Buffer {
  const file = Buffer.alloc(24);
  file.writeUInt32LE(0xa1b2c3d4, 0);
  file.writeUInt16LE(2, 4);
  file.writeUInt16LE(4, 6);
  file.writeUInt32LE(65535, 16);
  file.writeUInt32LE(101, 20);
  const packets: Buffer[] = [file];
  let sequence = 1;
  for (const message of messages) {
    const packet = Buffer.alloc(16 + 40 + message.length);
    packet.writeUInt32LE(40 + message.length, 8);
    packet.writeUInt32LE(40 + message.length, 12);
    packet.set([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1], 16);
    packet.writeUInt16BE(40 + message.length, 18);
    packet.writeUInt16BE(40000, 36);
    packet.writeUInt16BE(3868, 38);
    packet.writeUInt32BE(sequence, 40);
    packet.set([0x50, 0x18, 0xff, 0xff], 48);
    packet.set(message, 56);
    packets.push(packet);
    sequence += message.length;
  }
  return Buffer.concat(packets);
}
