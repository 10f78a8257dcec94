import { Header } from './header-names.ts';
import type { SipMessage } from './response.ts';

/** Gives a message another body and its Content-Type; Content-Length follows when the message is written. */
export function setBody(message: SipMessage, contentType: string, body: string): void {
  message.headers.set(Header['Content-Type'], contentType);
  message.replaceBody(body);
}
