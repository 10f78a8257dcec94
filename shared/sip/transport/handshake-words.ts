/**
 * Why a TLS handshake failed, in plain words. `error`: what node:tls or the system gave; its `code` decides.
 *
 * Source: RFC 8446 6.2 (alerts); requirement C-14.
 */
export function handshakeWords(error: NodeJS.ErrnoException): string {
  const { code = '' } = error;
  const ofOpenssl = code.startsWith(opensslPrefix);
  const name = ofOpenssl ? code.slice(opensslPrefix.length) : code;
  const known = words.get(name);
  if (known !== undefined) return known;
  if (!ofOpenssl) return printable(error.message);
  const tidy = name.toLowerCase().replaceAll('_', ' ');
  return name.includes('ALERT') ? `the peer refuses: ${tidy}` : tidy;
}

/** Whether an error of an open connection is one of TLS, and not of the network. */
export function isTlsError(error: NodeJS.ErrnoException): boolean {
  return error.code?.startsWith(opensslPrefix) === true;
}

const opensslPrefix = 'ERR_SSL_';

const noTls = 'the peer speaks no TLS';
const noVersion = 'no TLS version in common; see tls.minVersion';
const unknownCa = 'unknown CA: nobody we trust has signed the certificate of the peer';
const ended = 'the peer ended the connection during the handshake';
const ourCertificate = 'the peer does not accept our certificate';

const words: ReadonlyMap<string, string> = new Map([
  ['WRONG_VERSION_NUMBER', noTls],
  ['HTTP_REQUEST', noTls],
  ['HTTPS_PROXY_REQUEST', noTls],
  ['PACKET_LENGTH_TOO_LONG', noTls],
  ['UNEXPECTED_MESSAGE', noTls],
  ['RECORD_TOO_SMALL', noTls],
  ['BAD_RECORD_TYPE', noTls],
  ['UNKNOWN_PROTOCOL', noTls],
  ['UNSUPPORTED_PROTOCOL', noVersion],
  ['VERSION_TOO_LOW', noVersion],
  ['NO_PROTOCOLS_AVAILABLE', noVersion],
  ['TLSV1_ALERT_PROTOCOL_VERSION', noVersion],
  ['NO_SHARED_CIPHER', 'no cipher in common'],
  ['SSLV3_ALERT_HANDSHAKE_FAILURE', 'the peer finds no cipher or key type in common'],
  ['SSL/TLS_ALERT_HANDSHAKE_FAILURE', 'the peer finds no cipher or key type in common'],
  ['TLSV1_ALERT_UNKNOWN_CA', 'the peer does not know the CA of our certificate'],
  ['SSLV3_ALERT_BAD_CERTIFICATE', ourCertificate],
  ['SSLV3_ALERT_CERTIFICATE_UNKNOWN', ourCertificate],
  ['SSLV3_ALERT_UNSUPPORTED_CERTIFICATE', ourCertificate],
  ['SSL/TLS_ALERT_BAD_CERTIFICATE', ourCertificate],
  ['SSL/TLS_ALERT_CERTIFICATE_UNKNOWN', ourCertificate],
  ['SSLV3_ALERT_CERTIFICATE_EXPIRED', 'the peer says that our certificate has expired'],
  ['SSL/TLS_ALERT_CERTIFICATE_EXPIRED', 'the peer says that our certificate has expired'],
  ['TLSV13_ALERT_CERTIFICATE_REQUIRED', 'the peer wants a certificate of ours'],
  ['TLSV1_UNRECOGNIZED_NAME', 'the peer has no certificate for the name we asked for'],
  ['TLSV1_ALERT_ACCESS_DENIED', 'the peer refuses us'],
  ['SELF_SIGNED_CERT_IN_CHAIN', unknownCa],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', unknownCa],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', unknownCa],
  ['UNABLE_TO_GET_ISSUER_CERT', unknownCa],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', unknownCa],
  ['CERT_UNTRUSTED', unknownCa],
  ['CERT_SIGNATURE_FAILURE', 'the certificate of the peer is not signed by the CA it names'],
  ['CERT_HAS_EXPIRED', 'the certificate of the peer has expired'],
  ['CERT_NOT_YET_VALID', 'the certificate of the peer is not valid yet; compare the clocks'],
  ['INVALID_PURPOSE', 'the certificate of the peer is not made for this purpose (extended key usage)'],
  ['ECONNRESET', ended],
  ['EPIPE', ended],
  ['ETIMEDOUT', 'the handshake was not over in time'],
]);

/** A message of the library as one short line. */
function printable(message: string): string {
  let line = '';
  for (const character of message.slice(0, 200)) line += character < ' ' || character > '~' ? ' ' : character;
  return line.trim() === '' ? 'no reason given' : line.trim();
}
