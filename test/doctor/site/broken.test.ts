import { describe, expect, test } from 'vitest';
import { modes } from '../../support/site.ts';
import { casesOf } from './broken-sites.ts';
import { siteToAttack } from './site.ts';

describe.each(modes)('doctor URL, by %s: finds the trap of a broken site, and no other', (mode) => {
  const { cases, own } = casesOf(mode);
  test.concurrent.for(Object.entries(cases))(
    '%s',

    async ([name, { broken, failed, more, saw = {}, fix = {}, words = [] }], {
      onTestFinished,
    }) => {
      const site = await siteToAttack({ mode, ...broken }, onTestFinished);
      const log = `${site.nginx.dir}/postern.log`;
      // The other checks do not depend on the mode, and take a second each.
      const only =
        mode === 'auth_request' || own.includes(name)
          ? []
          : ['--only', failed.replaceAll(' ', ',')];
      const seen = await site.examine('--access-log', log, ...words, ...only);
      // An effect of another finding is not tested.
      const isEffect = (id: string) =>
        /^fix [a-z-]+ first$|: see no-token$/.test(seen.saw[id] ?? '');
      const found = Object.keys(seen.verdicts).filter(
        (id) => seen.verdicts[id] !== 'ok' && !isEffect(id),
      );
      expect(found, JSON.stringify(seen.saw, null, 1)).toEqual(
        more ? expect.arrayContaining(failed.split(' ')) : failed.split(' '),
      );
      expect(seen.code).toBe(1);
      for (const [id, text] of Object.entries(saw)) expect(seen.saw[id]).toMatch(text);
      for (const [id, text] of Object.entries(fix)) expect(seen.fix[id]).toMatch(text);
    },
  );
});
