import { expect, it } from 'vitest';
import { refusalWords } from '#lab/ue/refusal-words';
import type { SipResponse } from '#sip/message/response';
import { parseMessage } from '#sip/parser/parse-message';

function words(...lines: string[]): string {
  const flow = { listener: 0, transport: 'udp' as const, address: '127.0.0.1', port: 5060, connection: 0 };
  return refusalWords(
    parseMessage(`${['SIP/2.0 504 Server Time-out', ...lines].join('\r\n')}\r\n\r\n`, flow) as SipResponse,
  );
}

it('a refusal is told with the cause that the network names in its Warning', () => {
  expect(words('Warning: 399 icscf.ims.test "hss-unreachable: no connection to an HSS"')).toBe(
    'Server Time-out (hss-unreachable: no connection to an HSS)',
  );
});

it('without a Warning, or with one that cannot be read, the reason phrase stands alone', () => {
  expect(words()).toBe('Server Time-out');
  expect(words('Warning: garbage')).toBe('Server Time-out');
});
