/** A name with a number in it, such as `user%06d`. */
export interface NumberedName {
  format(number: number): string;
  /** The number in a name of this form, -1 when it is none. */
  parse(name: string): number;
}

/** Reads the one `%d` or `%0Nd` of a pattern, which the configuration's schema has checked. */
export function numberedName(pattern: string): NumberedName {
  const percent = pattern.indexOf('%');
  const end = pattern.indexOf('d', percent);
  const before = pattern.slice(0, percent);
  const after = pattern.slice(end + 1);
  const width = Number(pattern.slice(percent + 1, end));
  const fill = pattern[percent + 1] === '0' ? '0' : ' ';
  const digits = (number: number) => String(number).padStart(width, fill);
  return {
    format: (number) => before + digits(number) + after,
    parse(name) {
      if (!name.startsWith(before) || !name.endsWith(after) || name.length <= before.length + after.length) return -1;
      const text = name.slice(before.length, name.length - after.length);
      if (text.length > 10) return -1;
      const number = Number(text);
      return Number.isSafeInteger(number) && number >= 0 && digits(number) === text ? number : -1;
    },
  };
}
