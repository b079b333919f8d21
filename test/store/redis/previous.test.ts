import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { projectRoot } from '../../harness/paths.ts';
import { startRedis } from '../../harness/redis.ts';
import { forTest } from '../../support/for-test.ts';
import { from, issueTo } from '../../support/store/grants.ts';
import { answers, openRedis } from '../../support/store/open-redis.ts';

const git = (...words: string[]) =>
  execFileSync('git', words, {
    cwd: projectRoot,
    maxBuffer: 1e8,
    stdio: ['ignore', 'pipe', 'ignore'],
  });

/** The commit before the last change of service/. Undefined in an archive or a shallow clone. */
function previousCommit(): string | undefined {
  try {
    const last = git('rev-list', '-1', 'HEAD', '--', 'service').toString().trim();
    return git('rev-parse', '--verify', `${last}^`).toString().trim();
  } catch {
    return undefined;
  }
}

/** The store of the service at that commit, from a folder in which the packages are found. */
async function openPrevious(commit: string, url: string): ReturnType<typeof openRedis> {
  await mkdir(join(projectRoot, 'dist'), { recursive: true });
  const folder = await mkdtemp(join(projectRoot, 'dist', 'previous-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const archive = git('archive', commit, 'service', 'package.json');
  execFileSync('tar', ['-x', '-C', folder], { input: archive });
  const { createRedisStore } = await import(join(folder, 'service/store/redis/redis.ts'));
  const store = createRedisStore({ url, prefix: 'postern:', timeoutMs: 5_000 });
  await answers(store);
  return store;
}

const COUNTED = { uses: { max: 1, resumeFor: 60 } } as const;

test('store: an instance of the previous version and a new one share tokens, uses and revocations', async (context) => {
  const commit = previousCommit();
  if (commit === undefined) return context.skip('no previous commit in this folder');
  const redis = await forTest(startRedis());
  const stores = { old: await openPrevious(commit, redis.url), new: await openRedis(redis) };
  onTestFinished(async () => void (await Promise.all(Object.values(stores).map((s) => s.close()))));
  for (const [one, other] of [
    [stores.old, stores.new],
    [stores.new, stores.old],
  ] as const) {
    const more = { ...COUNTED, subject: 'ada' };
    const id = await issueTo(one, more);
    const { grant } = await other.find(id);
    expect(grant).toMatchObject(more);
    const first = from('192.0.2.1');
    expect(await other.redeem(id, first, true)).toBe('new');
    expect(await one.redeem(id, from('192.0.2.1'), true)).toBe('known');
    expect(await one.redeem(id, from('192.0.2.2'), true)).toBeUndefined();
    expect(await other.revoke(id, 'web')).toBe(true);
    expect((await one.find(id)).grant).toBeUndefined();
    await issueTo(one, { subject: 'ada' });
    expect(await other.revokeAll('web', { subject: 'ada' })).toBe(1);
    const external = `jti-${one === stores.old}`;
    await one.revokeExternal(external, Date.now() + 60_000);
    expect(await other.find(external, { issuedAt: Date.now(), subjectId: 'none' })).toMatchObject({
      isRevoked: true,
    });
  }
});
