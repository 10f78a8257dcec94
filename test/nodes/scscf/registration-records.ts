import {
  type Binding,
  type BindingSource,
  makeBinding,
  type RegisteredIdentity,
  type Registration,
} from '#nodes/scscf/registration';

/** A public identity that anybody may use, an alias of the others. */
export function identity(impu: string): RegisteredIdentity {
  return { impu, uri: impu, barred: false, wildcard: false, alias: 1, displayName: '' };
}

/** A binding of this Contact value; of a@x, unless told. */
export function binding(contact: string, more: Partial<BindingSource> = {}): Binding {
  return makeBinding({ impi: 'a@x', contact, path: '<sip:p;lr>', callId: 'c', cseq: 1, expiresAtMs: 1000, ...more })!;
}

/** What is known of these identities while these contacts are bound to them. */
export function registrationOf(key: string, impus: readonly string[], bindings: readonly Binding[]): Registration {
  return { key, identities: impus.map(identity), charging: { ccf: 'c', ecf: '' }, bindings };
}
