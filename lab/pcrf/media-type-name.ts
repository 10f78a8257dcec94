import { mediaTypes } from '#diameter/rx/rx-values';

/** The media types of Rx as rules and tables name them. */
export type MediaTypeName = 'audio' | 'video' | 'data' | 'application' | 'control' | 'text' | 'message' | 'other';

const names: ReadonlyMap<number, MediaTypeName> = new Map(
  Object.entries(mediaTypes).map(([name, value]) => [value, name.toLowerCase() as MediaTypeName]),
);
const known: ReadonlySet<string> = new Set(names.values());

/** Name of a Media-Type, or of the media type of an m-line; what Rx does not know is `other`. Source: TS 29.214 5.3.19. */
export function mediaTypeName(type: number | string): MediaTypeName {
  if (typeof type === 'number') return names.get(type) ?? 'other';
  const name = type.toLowerCase();
  return known.has(name) ? (name as MediaTypeName) : 'other';
}
