import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { machine, SITE, snapshot, WORDS } from '../../support/cli/machine.ts';

describe('nginx --upgrade', () => {
  test('replaces old snippets, and keeps settings and sites', async () => {
    const { folder, run, read, write } = await machine('');
    expect(await run(WORDS)).toMatchObject({ code: 0 });
    const current = await read('postern/protect.conf');
    const old = current.replace(/postern-version: .*/, 'postern-version: 0.0.9');
    await write('postern/protect.conf', old);
    await write('postern/local.conf', 'map "" $postern_sandbox { default ""; }');
    await write(SITE, `${await read(SITE)}# mine`);
    const before = await snapshot(folder);

    const done = await run(['--upgrade']);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout.match(/^wrote .*/gm)).toEqual([`wrote ${folder}/postern/protect.conf`]);
    const path = join(folder, 'postern/protect.conf');
    expect(await snapshot(folder)).toEqual({ ...before, [path]: current });
  });

  test('restores the old snippets if nginx rejects the new ones', async () => {
    const { folder, run, read, write } = await machine('');
    expect(await run(WORDS)).toMatchObject({ code: 0 });
    // An old snippet without a setting, which the http block of the site has.
    const old = (await read('postern/http.conf')).replace(/^variables_hash_max_size.*$/m, '');
    await write('postern/http.conf', old);
    await write('conf.d/own.conf', 'variables_hash_max_size 4096;');
    const before = await snapshot(folder);
    const { code, stderr } = await run(['--upgrade']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('"variables_hash_max_size"')]);
    expect(await snapshot(folder)).toEqual(before);
  });

  test('a folder without snippets is an error', async () => {
    const { run } = await machine('');
    const { code, stderr } = await run(['--upgrade']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('has no snippets')]);
  });
});
