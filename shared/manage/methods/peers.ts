import type { ManagedNode } from '#service/node-status';
import { type Method, RpcError, rpcCodes } from '../json-rpc.ts';
import { textParam } from '../parameters.ts';

/** Methods about Diameter peers: `peers.list`, `peers.show`. */
export function peerMethods(node: ManagedNode): Method[] {
  const host = {
    name: 'host',
    description: 'Origin-Host of the peer',
    required: true,
    schema: { type: 'string' },
  } as const;
  return [
    {
      name: 'peers.list',
      summary: 'The Diameter peers and how they are.',
      params: [],
      result: 'list of PeerStatus',
      call: () => node.status().peers.map(({ requests: _, ...peer }) => peer),
    },
    {
      name: 'peers.show',
      summary: 'One Diameter peer with what became of its requests.',
      params: [host],
      result: 'PeerStatus',
      call(params) {
        const name = textParam(params, 'host', '').toLowerCase();
        const peer = node.status().peers.find((candidate) => candidate.host.toLowerCase() === name);
        if (peer === undefined) throw new RpcError(rpcCodes.refused, `no peer ${name}; there are: ${names(node)}`);
        return peer;
      },
    },
  ];
}

function names(node: ManagedNode): string {
  return (
    node
      .status()
      .peers.map(({ host }) => host)
      .join(', ') || 'none'
  );
}
