import { Broken } from './target.ts';

const guarded = { Object: Object.prototype, Array: Array.prototype, String: String.prototype, Map: Map.prototype };

/** Remembers the prototypes; what it gives throws Broken when one has another member, or another value in one. */
export function guardPrototypes(): () => void {
  const before = Object.entries(guarded).map(([name, prototype]) => [name, prototype, describe(prototype)] as const);
  return () => {
    for (const [name, prototype, members] of before) {
      const now = describe(prototype);
      const changed = now.size !== members.size || [...now].some(([key, value]) => members.get(key) !== value);
      if (changed) throw new Broken(`${name}.prototype was changed`);
    }
  };
}

function describe(prototype: object): Map<PropertyKey, unknown> {
  return new Map(
    Reflect.ownKeys(prototype).map((key) => {
      const property = Object.getOwnPropertyDescriptor(prototype, key)!;
      return [key, property.value ?? property.get];
    }),
  );
}
