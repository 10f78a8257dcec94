import type { ManagedNode } from '#service/node-status';
import { MethodRegistry } from './json-rpc.ts';
import { configMethods } from './methods/config.ts';
import { dialogMethods } from './methods/dialogs.ts';
import { discoverMethod } from './methods/discover.ts';
import { eventMethods } from './methods/events.ts';
import { nodeMethods } from './methods/node.ts';
import { peerMethods } from './methods/peers.ts';
import { reauthenticateMethod } from './methods/reauthenticate.ts';
import { registrationMethods } from './methods/registrations.ts';
import { testTriggerMethod } from './methods/test-trigger.ts';
import { workerMethods } from './methods/workers.ts';

/** All methods of one node: those of its role only. */
export function methodsOf(node: ManagedNode): MethodRegistry {
  const { role, name, version } = node.status();
  const registry = new MethodRegistry();
  const { ask, askAll, trigger, workers } = node;
  const methods = [...nodeMethods(node), ...configMethods(node), ...peerMethods(node), ...eventMethods(node)];
  if (ask !== undefined && role !== 'icscf') methods.push(...registrationMethods(node, ask));
  if (askAll !== undefined && role !== 'icscf') methods.push(...dialogMethods(askAll));
  if (ask !== undefined && role === 'scscf') methods.push(reauthenticateMethod(ask));
  if (workers !== undefined) methods.push(...workerMethods(node, workers));
  if (trigger !== undefined) methods.push(testTriggerMethod(trigger));
  for (const method of methods) registry.add(method);
  return registry.add(discoverMethod(registry, `${role} ${name}`, version));
}
