import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { nextHop } from '#sip/proxy/proxy-branch';
import { parseUri, type Uri } from '#sip/uri/uri';
import type { CallPhone } from '../ue/call.ts';
import { contactUri } from '../ue/dialog.ts';
import type { Endpoint } from '../ue/endpoint.ts';
import { bareUri } from '../ue/party.ts';
import type { DialogTable } from './dialog-table.ts';
import { type Hop, nextTarget } from './next-target.ts';

/** What calls of the application server run on. */
export interface CallGround {
  readonly endpoint: Endpoint;
  readonly dialogs: DialogTable;
  readonly scscf: Hop;
}

/** One call: `opened` is the INVITE that makes it, sent or received. */
export interface CallParts {
  readonly opened: SipRequest;
  /** Contact value. */
  readonly contact: string;
  /** P-Asserted-Identity of ours, null for none. */
  readonly from: string | null;
}

const nowhere: Uri = Object.freeze({ kind: 'other', scheme: 'about', opaque: 'nowhere' });
const firstMediaPort = 48_000;
const mediaPorts = 500;
let calls = 0;

/** What a `Call` needs to run on an application server. */
export function callPhone({ endpoint, dialogs, scscf }: CallGround, { opened, contact, from }: CallParts): CallPhone {
  const enlisted: [callId: string, localTag: string][] = [];
  calls = (calls + 1) % mediaPorts;
  return {
    endpoint,
    target: nextTarget(wayOf(opened), scscf),
    contact,
    mediaPort: firstMediaPort + calls * 2,
    reliableProvisional: opened.headers.values(Header.Require).includes('100rel'),
    identityHeaders: () => (from === null ? [] : [[Header['P-Asserted-Identity'], `<${from}>`]]),
    enlist(call, callId, localTag) {
      enlisted.push([callId, localTag]);
      dialogs.enlist(call, callId, localTag);
    },
    dismiss() {
      for (const [callId, localTag] of enlisted) dialogs.dismiss(callId, localTag);
    },
  };
}

/** Where requests within the dialog of an INVITE go first: of one of ours its Route, else the way it came. */
function wayOf(invite: SipRequest): Uri {
  const own = invite.flow === null ? nextHop(invite) : null;
  if (own !== null) return own;
  const route = invite.headers.first(Header['Record-Route']);
  const uri = parseUri(route === null ? (contactUri(invite) ?? '') : bareUri(route));
  return uri instanceof ParseFailure ? nowhere : uri;
}
