import { describe, expect, it } from 'vitest';
import {
  type AlgorithmPair,
  agreementOf,
  insistsOnAgreement,
  offersOf,
  repeatsClient,
  securityClientOf,
  securityServer,
  verifies,
} from '#nodes/pcscf/ipsec/security-agreement';
import type { SipRequest } from '#sip/message/request';
import { parseMessage } from '#sip/parser/parse-message';
import { sip } from '../../worker-harness.ts';

const order: readonly AlgorithmPair[] = [
  { alg: 'hmac-sha-1-96', ealg: 'aes-cbc' },
  { alg: 'hmac-sha-1-96', ealg: 'null' },
  { alg: 'null', ealg: 'aes-gcm' },
];
const flow = 'spi-c=11111;spi-s=22222;port-c=50600;port-s=50601';

function headersOf(...lines: string[]) {
  const message = parseMessage(
    sip(['REGISTER sip:ims.test SIP/2.0', 'Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1', ...lines]),
    null as never,
    false,
  );
  return (message as SipRequest).headers;
}

const agreed = (...values: string[]) =>
  agreementOf(securityClientOf(headersOf(...values.map((v) => `Security-Client: ${v}`))), order);

describe('what a UE offers', () => {
  it('P-12 P-32 of a long list, over several fields, our preferred pair is taken, wherever it stands', () => {
    const agreement = agreed(
      `ipsec-3gpp;alg=hmac-md5-96;ealg=null;${flow}, ipsec-3gpp;alg=hmac-sha-1-96;ealg=null;${flow}, tls;q=0.1, nonsense;;;=`,
      `IPSEC-3GPP; Ealg=AES-CBC; ${flow};PROT=ESP; MOD="trans";alg=hmac-sha-1-96`,
    );
    expect(agreement).toMatchObject({
      pair: { alg: 'hmac-sha-1-96', ealg: 'aes-cbc' },
      clientPort: 50600,
      serverPort: 50601,
      clientSpi: 11111,
      serverSpi: 22222,
    });
  });

  it('P-12 an absent ealg is null, an absent prot esp, an absent mod trans', () => {
    expect(agreed(`ipsec-3gpp;alg=hmac-sha-1-96;${flow}`)?.pair).toEqual({ alg: 'hmac-sha-1-96', ealg: 'null' });
  });

  it.each([
    ['P-13 another protocol', `ipsec-3gpp;alg=hmac-sha-1-96;prot=ah;${flow}`],
    ['P-13 another mode', `ipsec-3gpp;alg=hmac-sha-1-96;mod=UDP-enc-tun;${flow}`],
    ['P-13 algorithms that are not allowed', `ipsec-3gpp;alg=hmac-md5-96;${flow}`],
    ['P-13 only another mechanism', 'tls;q=0.5'],
    ['X-I13 an SPI of 0', 'ipsec-3gpp;alg=hmac-sha-1-96;spi-c=0;spi-s=22222;port-c=1;port-s=2'],
    ['X-I13 a reserved SPI', 'ipsec-3gpp;alg=hmac-sha-1-96;spi-c=11111;spi-s=255;port-c=1;port-s=2'],
    ['X-I13 the same SPI twice', 'ipsec-3gpp;alg=hmac-sha-1-96;spi-c=11111;spi-s=11111;port-c=1;port-s=2'],
    ['P-12 a list that cannot be split', `ipsec-3gpp;alg="hmac-sha-1-96;${flow}`],
  ])('%s is no agreement', (_what, value) => {
    expect(agreed(value)).toBeNull();
  });

  it('P-12 a list of more octets than any phone sends is no agreement: it would have to be kept', () => {
    const long = `ipsec-3gpp;alg=hmac-sha-1-96;${flow};x=${'y'.repeat(9_000)}`;
    expect(agreed(long)).not.toBeNull();
    expect(agreed(long, long)).toBeNull();
  });

  it('P-12 an entry that cannot be used does not spoil the next', () => {
    const usable = `ipsec-3gpp;alg=hmac-sha-1-96;${flow}`;
    expect(agreed(`ipsec-3gpp;alg=hmac-sha-1-96;mod=tun;${flow}, ${usable}`)?.clientSpi).toBe(11111);
  });

  it('P-11 a UE insists by Require or Proxy-Require, not by Supported', () => {
    expect(insistsOnAgreement(headersOf('Require: path, SEC-AGREE'))).toBe(true);
    expect(insistsOnAgreement(headersOf('Proxy-Require: sec-agree'))).toBe(true);
    expect(insistsOnAgreement(headersOf('Supported: sec-agree'))).toBe(false);
  });
});

describe('what is offered and chosen', () => {
  it('P-11 P-13 the list names all pairs, the preferred one first, and neither SPIs nor ports', () => {
    expect(offersOf(order)).toBe(
      'ipsec-3gpp;q=0.75;prot=esp;mod=trans;alg=hmac-sha-1-96;ealg=aes-cbc, ' +
        'ipsec-3gpp;q=0.5;prot=esp;mod=trans;alg=hmac-sha-1-96;ealg=null, ' +
        'ipsec-3gpp;q=0.25;prot=esp;mod=trans;alg=null;ealg=aes-gcm',
    );
  });

  it('P-36 Security-Server is one entry with everything named', () => {
    const end = { clientSpi: 70001, serverSpi: 70002, clientPort: 5100, serverPort: 6100 };
    expect(securityServer({ alg: 'hmac-sha-1-96', ealg: 'null' }, end)).toBe(
      'ipsec-3gpp;q=0.1;prot=esp;mod=trans;spi-c=70001;spi-s=70002;port-c=5100;port-s=6100;alg=hmac-sha-1-96;ealg=null',
    );
  });
});

describe('what is repeated', () => {
  const sent =
    'ipsec-3gpp;q=0.1;prot=esp;mod=trans;spi-c=70001;spi-s=70002;port-c=5100;port-s=6100;alg=hmac-sha-1-96;ealg=null';

  it('P-41 Security-Verify may differ in blanks, case and order, in nothing else', () => {
    const verify = (value: string) => verifies(headersOf(`Security-Verify: ${value}`), sent);
    expect(verify(sent)).toBe(true);
    expect(verify(sent.replaceAll(';', ' ; ').replace('ALG', 'alg'))).toBe(true);
    expect(verify(sent.replace('q=0.1;', '').concat(';q=0.1'))).toBe(true);
    expect(verify(sent.replace('70001', '70003'))).toBe(false);
    expect(verify(sent.replace(';ealg=null', ''))).toBe(false);
    expect(verify(`${sent}, ${sent}`)).toBe(false);
    expect(verifies(headersOf(), sent)).toBe(false);
  });

  it('P-41 X-I11 Security-Client has to be the one of the first REGISTER, value by value', () => {
    const first = `ipsec-3gpp;alg=hmac-sha-1-96;ealg=aes-cbc;${flow}, ipsec-3gpp;alg=hmac-sha-1-96;${flow}`;
    const values = first.split(', ');
    const { fields } = agreed(first)!;
    const repeats = (...lines: string[]) => repeatsClient(securityClientOf(headersOf(...lines)), fields);
    expect(repeats(`Security-Client: ${first}`)).toBe(true);
    expect(repeats(`Security-Client: ${values[0]}`, `Security-Client: ${values[1]}`)).toBe(true);
    expect(repeats(`Security-Client: ${values[1]}`)).toBe(false);
    expect(repeats(`Security-Client: ${first.replace('50601', '50603')}`)).toBe(false);
    expect(repeats()).toBe(false);
  });
});
