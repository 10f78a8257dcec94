import { Header } from './header-names.ts';
import type { SipMessage } from './response.ts';

/** Gives a message another body and its Content-Type; Content-Length follows when the message is written. */
export function setBody(message: SipMessage, contentType: string, body: string): void {
  message.headers.set(Header['Content-Type'], contentType);
  message.replaceBody(body);
}

/** Takes the body and everything that describes it away. */
export function removeBody(message: SipMessage): void {
  for (const key of ['Content-Type', 'Content-Encoding', 'Content-Disposition', 'Content-Language'] as const) {
    message.headers.remove(Header[key]);
  }
  message.replaceBody('');
}
