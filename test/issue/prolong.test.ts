import { describe, expect, test } from 'vitest';
import { prolong } from '../../service/issue/prolong.ts';
import { createMounts } from '../../service/paths/mount.ts';
import type { Client } from '../../service/token/client.ts';
import type { Grant } from '../../service/token/grant.ts';
import { newToken, tokenId } from '../../service/token/token.ts';
import { client, createDecider, refusal } from '../support/decider.ts';
import { mount } from '../support/postern.ts';
import { grantAt } from '../support/store/grants.ts';

// A grant that was stored before the mounts, the client's limits or the rules changed.

const mounts = [
  mount('/download/', '/protected/'),
  mount('a.example:/own/', '/own-files/'),
  mount('b.example:/download/', '/protected/'),
];

async function stored(more: Partial<Grant>) {
  const decider = createDecider({ mounts });
  const { store, clock } = decider;
  const token = newToken();
  const grant = grantAt(clock.now, { client: 'test', covers: '/download/x', ...more });
  await store.issue([[tokenId(token), grant]]);
  const parts = { mounts: createMounts(mounts), store, now: () => clock.now };
  return {
    codeOn: async (site: string) => {
      const decision = await decider.authorize(`/download/x?token=${token}`, { site });
      return decision.allow ? 'allow' : decision.code;
    },
    prolongedBy: (of: Client, seconds = 120) => prolong(parts, of, tokenId(token), seconds),
  };
}

test('target: the gate rejects a target that no mount of the requested site has', async () => {
  const { codeOn } = await stored({ target: '/own-files/x' });
  expect(await codeOn('a.example')).toBe('allow');
  expect(await codeOn('other.example')).toBe('insufficient_scope');
  const gone = await stored({ target: '/gone/x' });
  expect(await gone.codeOn('a.example')).toBe('insufficient_scope');
});

test.each<[string, Partial<Grant>]>([
  ['a dot segment', { target: '/protected/../own-files/x' }],
  ['a control character', { target: '/protected/x\r\ny' }],
  ['a dot segment in the folder', { covers: '/download/', target: '/protected/../own-files/' }],
])('target: the gate rejects a stored target that no token is issued for: %s', async (_, grant) => {
  expect(await (await stored(grant)).codeOn('other.example')).toBe('insufficient_scope');
});

describe('prolong: only if the client could still issue the token', () => {
  const limited: Client = {
    ...client,
    paths: [{ prefix: '/download/x' }, { site: 'b.example', prefix: '/download/' }],
  };

  test.each<[string, Partial<Grant>, Client]>([
    ['a target on a site where it has no right', { target: '/protected/secret' }, limited],
    ['a path beyond its own', { covers: '/download/secret' }, limited],
    ['a query without targets', { target: '/protected/x', targetArgs: 'a' }, limited],
    ['a target without a mount', { target: '/gone/x' }, client],
    ['a mount that is gone', { mount: '/gone/' }, client],
    ['a longer resume_for', { uses: { resumeFor: 61 } }, { ...client, maxResumeFor: 60 }],
  ])('%s: insufficient_scope', async (_, grant, of) => {
    const { prolongedBy } = await stored(grant);
    expect(await refusal(prolongedBy(of))).toMatchObject({ code: 'insufficient_scope' });
  });

  test('a client that could not issue the token may shorten it', async () => {
    const { prolongedBy } = await stored({ target: '/protected/secret' });
    expect(await prolongedBy(limited, 30)).toBeDefined();
  });

  test('a target below the path of the client', async () => {
    expect(await (await stored({})).prolongedBy(limited)).toBeDefined();
    const { prolongedBy } = await stored({ target: '/protected/x' });
    expect(await prolongedBy(limited)).toBeDefined();
  });

  test('a token of the site of the client', async () => {
    const { prolongedBy } = await stored({ site: 'c.example' });
    const on = (site: string) => ({ ...client, paths: [{ site, prefix: '/download/' }] });
    const refused = await refusal(prolongedBy(on('d.example')));
    expect(refused).toMatchObject({ code: 'insufficient_scope' });
    expect(await prolongedBy(on('c.example'))).toBeDefined();
  });
});
