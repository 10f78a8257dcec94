/** A copy that does not keep the message alive which the text was cut from. */
export function flatText(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
