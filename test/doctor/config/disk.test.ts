import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { chmod, mkdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { diagnoseText } from '../../../doctor/config/diagnose.ts';
import { createDisk } from '../../../doctor/config/disk.ts';
import { projectRoot } from '../../harness/paths.ts';
import { findTool } from '../../harness/tools.ts';
import { diagnosed, dumpOf, MOUNTS, realDumpOf, started } from '../../support/doctor/trap.ts';
import { folderForTest } from '../../support/for-test.ts';
import { isRoot } from '../../support/need-root.ts';

async function folder() {
  const top = await realpath(await folderForTest());
  for (const name of ['www/deep', 'other']) await mkdir(join(top, name), { recursive: true });
  return top;
}

test('disk: finds links in each folder, and in the folders that they lead to', async () => {
  const top = await folder();
  const www = join(top, 'www');
  await writeFile(join(top, 'other', 'a.txt'), '');
  await symlink('../../other/a.txt', join(www, 'deep', 'file'));
  await symlink('../other', join(www, 'out'));
  await symlink('.', join(www, 'loop'));
  await symlink('nowhere', join(www, 'dangling'));
  // This link is behind another one.
  await symlink('a.txt', join(top, 'other', 'b'));
  await symlink('../other', join(top, 'other', 'again'));
  const disk = createDisk();
  const { links, unseen } = disk.links(www);
  expect(links.map(({ path, to, isFolder }) => [path, to, isFolder]).sort()).toEqual([
    [join(www, 'deep/file'), join(top, 'other/a.txt'), false],
    [join(www, 'loop'), www, true],
    [join(www, 'out'), join(top, 'other'), true],
    [join(www, 'out/again'), join(top, 'other'), true],
    [join(www, 'out/b'), join(top, 'other/a.txt'), false],
  ]);
  expect([...unseen]).toEqual([]);
  expect(disk.real(join(www, 'out', 'a.txt'))).toBe(join(top, 'other/a.txt'));
  expect(disk.real(join(www, 'none'))).toBeUndefined();
});

test('disk: stops after a number of names, and says so', async () => {
  const top = await folder();
  for (const name of ['a', 'b', 'c']) await symlink('../other', join(top, 'www', name));
  const { links, unseen } = createDisk(2).links(join(top, 'www'));
  expect(links.length).toBeLessThanOrEqual(2);
  expect([...unseen]).toContain(`links below ${join(top, 'www')} after 2 names`);
});

test('disk: names a folder that this user may not read', async ({ skip }) => {
  if (isRoot) skip('root can read everywhere');
  const top = await folder();
  const deep = join(top, 'www', 'deep');
  await chmod(deep, 0);
  const { unseen } = createDisk().links(join(top, 'www'));
  await chmod(deep, 0o755);
  expect([...unseen]).toEqual([`links below ${deep}: permission denied`]);
});

test('doctor --config reads the output of nginx -VT, which the tests otherwise compose from the files', async () => {
  const site = await started({ http: 'include postern/cors*.conf;' });
  const dump = await realDumpOf(site);
  const messages = /^nginx: .*\n/gm;
  expect(dump.match(messages)).toHaveLength(2);
  expect(await dumpOf(site)).toBe(dump.replace(messages, ''));
  expect(await diagnosed(dump, { mounts: MOUNTS })).toEqual([]);
});

/** A site whose files, socket and decision cache have folders with these modes. None: there is no such folder. */
async function siteOnDisk(user: string, modes: Readonly<Record<string, number>>) {
  const dir = await realpath(await folderForTest());
  await chmod(dir, 0o755);
  for (const [name, mode] of Object.entries(modes)) {
    await mkdir(join(dir, name));
    if (name === 'run') {
      const server = createServer().listen(join(dir, 'run/gate.sock'));
      onTestFinished(() => void server.close());
      await once(server, 'listening');
      await chmod(join(dir, 'run/gate.sock'), 0o666);
    }
    await chmod(join(dir, name), mode);
  }
  const text = `user ${user}; http { include postern/http.conf;
    proxy_cache_path ${dir}/cache keys_zone=postern_decisions:512k; include postern/cache.conf;
    upstream postern { server unix:${dir}/run/gate.sock; }
    server { listen 127.0.0.1:80; access_log off; include postern/auth-request.conf;
    location ^~ /download/ { include postern/protect.conf; }
    location ^~ /protected/ { include postern/internal.conf; alias ${dir}/files/; } } }`;
  await symlink(join(projectRoot, 'nginx/snippets'), join(dir, 'postern'));
  await writeFile(join(dir, 'nginx.conf'), text);
  return diagnoseText(text, join(dir, 'nginx.conf'), { mounts: MOUNTS, nginx: null });
}

// The tests run as root or as nobody, so nginx has a third user.
const OPEN = { files: 0o755, run: 0o755, cache: 0o777 };
test.each([
  ['the user of nginx may not read the files', 'daemon', { ...OPEN, files: 0o750 }, 'files'],
  ['it may not enter the folder of the socket', 'daemon', { ...OPEN, run: 0o750 }, 'run'],
  ['it may not write to the decision cache', 'daemon', { ...OPEN, cache: 0o755 }, 'cache'],
  ['it may do all of this', 'daemon', OPEN, undefined],
  ['it is root', 'root', { files: 0o700, run: 0o700, cache: 0o700 }, undefined],
])('doctor --config: %s', async (_, user, modes, closed) => {
  const { ok, text } = await siteOnDisk(user, modes);
  const says = closed
    ? `the user daemon of nginx may not use \\S+/${closed}/?  \\[`
    : '^✓ nothing found';
  expect([ok, text]).toEqual([closed === undefined, expect.stringMatching(new RegExp(says, 'm'))]);
  expect(text).not.toMatch(/there is no/);
});

test('doctor --config: a folder or socket that is absent is advice, because nginx or Postern may not have started', async () => {
  const { ok, text } = await siteOnDisk('daemon', {});
  expect([ok, text.match(/^! .* there is no (folder|socket)/gm)?.length]).toEqual([true, 3]);
});

test('doctor --config: the name of a link is printed without control characters', async () => {
  const site = await started({ server: 'root $files/../www;' });
  await symlink('../files', join(site.files, '../www/\u001b[2J\u202e'));
  for (const json of [false, true]) {
    const { ok, text } = await diagnoseText(await dumpOf(site), '-', {
      json,
      nginx: await findTool('nginx'),
    });
    expect(ok).toBe(false);
    expect(text).toContain('%1B%5B2J%E2%80%AE');
    expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
  }
});

test('doctor --config looks for links only on the machine of nginx, and only if the files are there', async () => {
  const site = await started({});
  const dump = await dumpOf(site);
  const lastOf = async (text: string) => {
    const said = (await diagnoseText(text, '-', { mounts: MOUNTS })).text.trimEnd().split('\n');
    return [said.at(-3)?.[0], said.at(-1)];
  };
  expect(await lastOf(dump)).toEqual(['✓', expect.not.stringContaining('symbolic')]);
  const elsewhere = dump.replaceAll(site.nginx.dir, '/etc/nginx');
  const other = 'not checked: symbolic links and sockets: this is not the machine of this nginx;';
  expect(await lastOf(elsewhere)).toEqual(['✓', expect.stringContaining(other)]);
});

test('doctor --config says where it did not look for links in a folder with many names', async () => {
  const site = await started({ server: 'root $files/../www;' });
  const www = join(site.files, '../www');
  await mkdir(join(www, 'many'));
  for (let i = 0; i <= 20_000; i += 1) writeFileSync(join(www, 'many', `${i}`), '');
  // The doctor reads a folder before the folders below its neighbors.
  await mkdir(join(www, 'other/deep'), { recursive: true });
  await symlink(site.files, join(www, 'other/deep/link'));
  const { text } = await diagnoseText(await dumpOf(site), '-', {
    mounts: MOUNTS,
    nginx: await findTool('nginx'),
  });
  expect(text).toMatch(/^not checked: .*names below \S+www after the first ones/m);
});

test('doctor --config: a server without a root serves the folder html of nginx', async () => {
  const site = await started({ internal: 'include postern/internal.conf; alias html/files/;' });
  const folder = join(site.nginx.dir, 'html/files');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'a.txt'), 'open');
  expect((await site.ask('GET', '/files/a.txt')).text).toBe('open');
  const dump = await dumpOf(site);
  const [found, ...more] = await diagnosed(dump, { mounts: MOUNTS });
  expect([found?.rule, found?.verdict, more]).toEqual(['second-url', 'failed', []]);
  expect(found?.fix).toMatch(/^in server \(.*\): location \^~ \/files\/ \{ return 404; \}$/);
  // The doctor knows the folder only from the output of nginx -V.
  const bare = dump.replace(/^configure arguments:.*|^nginx version:.*/gm, '');
  const [unclear] = await diagnosed(bare, { mounts: MOUNTS });
  expect([unclear?.rule, unclear?.verdict]).toEqual(['second-url', 'question']);
  const elsewhere = bare.replace('alias html/files/', 'alias /srv/html/files/');
  expect((await diagnosed(elsewhere, { mounts: MOUNTS }))[0]?.verdict).toBe('question');
  expect(
    await diagnosed(bare.replace('alias html/files/', 'alias /srv/files/'), { mounts: MOUNTS }),
  ).toEqual([]);
});
