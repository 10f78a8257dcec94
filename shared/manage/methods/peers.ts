import type { ManagedNode, PeerStatus } from '#service/node-status';
import { type Method, RpcError, rpcCodes } from '../json-rpc.ts';
import { textParam } from '../parameters.ts';

/** Methods about Diameter peers: `peers.list`, `peers.show`, `peers.disable`, `peers.enable`. */
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
        if (peer === undefined) throw noPeer(node, name);
        return peer;
      },
    },
    {
      name: 'peers.disable',
      summary: 'Leaves a Diameter peer with a DPR and keeps it away, until peers.enable or a restart.',
      params: [host],
      result: 'PeerStatus',
      call: (params) => switched(node, 'disable', textParam(params, 'host', '')),
    },
    {
      name: 'peers.enable',
      summary: 'Lets a disabled Diameter peer in again, and connects where this node does that.',
      params: [host],
      result: 'PeerStatus',
      call: (params) => switched(node, 'enable', textParam(params, 'host', '')),
    },
  ];
}

function switched(node: ManagedNode, action: 'disable' | 'enable', host: string): Omit<PeerStatus, 'requests'> {
  const name = host.toLowerCase();
  if (node.peers?.[action](name) !== true) throw noPeer(node, name);
  const { requests: _, ...peer } = node.status().peers.find((candidate) => candidate.host.toLowerCase() === name)!;
  return peer;
}

function noPeer(node: ManagedNode, name: string): RpcError {
  return new RpcError(rpcCodes.refused, `no peer ${name}; there are: ${names(node)}`);
}

function names(node: ManagedNode): string {
  return (
    node
      .status()
      .peers.map(({ host }) => host)
      .join(', ') || 'none'
  );
}
