import { describe, expect, it } from 'vitest';
import { sharedFilterSets } from '#ims/shared-filter-sets';
import { loadConfig } from '#service/config/config';
import type { ConfigError } from '#service/config/config-problem';
import { writeFiles } from './config-files.ts';

const head = 'role: scscf\nhomeDomain: d\nlisteners: { mw: [udp:127.0.0.1:1] }\ndiameter: { peers: [{ host: h }] }\n';

function load(sets: string) {
  return loadConfig({ file: writeFiles({ 'a.yaml': `${head}sharedIfcSets:\n${sets}` }), role: 'scscf', env: {} });
}

describe('sharedIfcSets', () => {
  it('S-28 are read with defaults and become filter criteria', () => {
    const { config } = load(
      '  - id: 4\n    criteria:\n      - { priority: 9, serverName: "sip:as.d", spts: [{ method: INVITE }, { header: Event, content: "r\u00e9g" }] }\n' +
        '      - { priority: 1, serverName: "sip:b.d;lr", profilePart: unregistered, defaultHandling: SESSION_TERMINATED }\n',
    );
    const sets = sharedFilterSets(config.sharedIfcSets);
    const spt = { groups: [0], negated: false, registrationTypes: [] };
    const server = { serviceInfo: '', includeRegisterRequest: false, includeRegisterResponse: false };
    expect([...sets]).toEqual([
      [
        4,
        [
          {
            priority: 9,
            triggerPoint: {
              cnf: false,
              spts: [
                { ...spt, kind: 'method', method: 'INVITE' },
                { ...spt, kind: 'sip-header', header: 'Event', content: 'r\xc3\xa9g' },
              ],
            },
            applicationServer: { ...server, serverName: 'sip:as.d', defaultHandling: 0 },
            profilePartIndicator: null,
          },
          {
            priority: 1,
            triggerPoint: null,
            applicationServer: { ...server, serverName: 'sip:b.d;lr', defaultHandling: 1 },
            profilePartIndicator: 1,
          },
        ],
      ],
    ]);
  });

  it('S-28 are refused where an SPT is ambiguous or a number is there twice', () => {
    const fault = (sets: string): string[] => {
      try {
        load(sets);
        return [];
      } catch (error) {
        return (error as ConfigError).problems.map(({ path, message }) => `${path}: ${message}`);
      }
    };
    const spt = (text: string) =>
      `  - { id: 1, criteria: [{ priority: 1, serverName: "sip:a.d", spts: [${text}] }] }\n`;
    expect(fault(spt('{}'))).toEqual(['sharedIfcSets.0.criteria.0.spts.0: has none, needed is exactly one condition']);
    expect(fault(spt('{ method: A, line: m }'))).toEqual([
      'sharedIfcSets.0.criteria.0.spts.0: has method and line, needed is exactly one condition',
    ]);
    expect(fault(spt('{ method: A, content: m }'))[0]).toContain('content is of a header or a line');
    expect(fault(spt('{ method: A, registrationTypes: [1] }'))[0]).toContain('registrationTypes are for REGISTER');
    expect(fault(spt('{ method: A }') + spt('{ method: A }'))).toEqual(['sharedIfcSets.1.id: 1 is listed twice']);
  });
});
