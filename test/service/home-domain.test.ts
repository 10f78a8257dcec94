import { describe, expect, it } from 'vitest';
import type { PcscfConfig } from '#service/config/pcscf-config';
import type { ScscfConfig } from '#service/config/scscf-config';
import { brief, load, problemsOf, smallPcscf, smallScscf } from './config-files.ts';

describe('homeDomain', () => {
  it('is lowered once, so that it matches the hosts of URIs, whatever was derived from it', () => {
    const scscf = load(smallScscf.replace('ims.test', 'IMS.Test')) as ScscfConfig;
    expect([scscf.homeDomain, scscf.name, scscf.diameter.originRealm]).toEqual([
      'ims.test',
      'scscf.ims.test',
      'ims.test',
    ]);
    const pcscf = load(smallPcscf.replace('ims.test', 'IMS.TEST')) as PcscfConfig;
    expect([pcscf.homeDomain, pcscf.visitedNetwork]).toEqual(['ims.test', 'ims.test']);
  });

  it('P-80 session timers of a P-CSCF, and those that are not in order', () => {
    const { sessionTimer } = load(smallPcscf) as PcscfConfig;
    expect(sessionTimer).toEqual({ insert: 'supporting', defaultSeconds: 1800, minSeconds: 90, maxSeconds: 86_400 });
    expect(brief(problemsOf(`${smallPcscf}sessionTimer: { maxSeconds: 900 }\n`))).toEqual([
      expect.stringContaining('sessionTimer: 90, 1800, 900 are not in order'),
    ]);
  });

  it('S-115 S-04 S-31 S-21 what is off unless it is asked for, and session timers that are not in order', () => {
    const { auth, registrar, sessionTimer } = load(smallScscf) as ScscfConfig;
    expect(auth.reauthentication).toEqual({});
    expect([registrar.requirePath, registrar.storeServerName]).toEqual([false, false]);
    expect(registrar.sessions).toBe('release');
    expect(sessionTimer).toEqual({ insert: 'supporting', defaultSeconds: 1800, minSeconds: 90, maxSeconds: 86_400 });
    expect(brief(problemsOf(`${smallScscf}sessionTimer: { minSeconds: 3600 }\n`))).toEqual([
      expect.stringContaining('sessionTimer: 3600, 1800, 86400 are not in order'),
    ]);
  });
});
