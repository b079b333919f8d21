import { describe, expect, test } from 'vitest';
import { ways } from '../../support/site.ts';
import { siteToAttack } from './site.ts';

describe.each(ways)('a site that is shut, by %s', (way) => {
  test('passes every check, in a few hundred requests', async () => {
    const site = await siteToAttack({ way });
    const { code, verdicts, saw, requests, stderr, stdout } = await site.examine(
      '--access-log',
      `${site.nginx.dir}/postern.log`,
    );
    expect(saw).toMatchObject({});
    const notOk = Object.entries(verdicts).filter(([, verdict]) => verdict !== 'ok');
    expect({ code, notOk, saw: notOk.map(([id]) => saw[id]) }).toEqual({
      code: 0,
      notOk: [],
      saw: [],
    });
    expect(requests).toBeLessThan(400);
    expect(stderr).toBe('');
    expect(stdout).not.toContain('ps_');
  }, 60_000);
});
