import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse } from 'content-disposition';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { django, findDjango } from '../../dev/examples/django.ts';
import { type ExampleSite, startExample, startPostern } from '../../dev/examples/site.ts';
import { projectRoot } from '../harness/paths.ts';
import { tryRun } from '../harness/run.ts';
import { csrfToken, login, PRIVATE, privacyOf } from '../support/django.ts';
import { createVisitor, expectIssuer, linksOf, multipart, type Visit } from '../support/example.ts';
import { NAMES } from '../support/fixtures.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { needTool } from '../support/need-tool.ts';

const FOLDER = join(projectRoot, 'integrations', 'django');
const NAME = 'Übersicht (1) & "x".pdf';
const PDF = '%PDF-1.4\nThis is the document.\n';

test('django: the tests of the example pass', async (context) => {
  await needTool('django-postern', context);
  const folder = await folderForTest();
  const { service } = await startPostern(folder);
  await forTest(Promise.resolve(service));
  const { path, env } = await findDjango({ folder, settings: 'settings' });
  const manage = join(FOLDER, 'example', 'manage.py');
  const { ok, output } = await tryRun(path, [manage, 'test', 'documents'], env);
  expect(output).toMatch(/^Ran \d{2} tests/m);
  expect(ok, output).toBe(true);
});

describe.each([
  ['settings', 'uvicorn'],
  ['settings_issued', 'runserver'],
] as const)('django, %s, %s', (settings, server) => {
  let site: ExampleSite;
  let ada: Visit;
  let bob: Visit;
  beforeAll(async () => {
    if (inject('missingTools')['django-postern'] !== undefined) return;
    site = await startExample(django(settings, server));
    ada = await login(site, 'ada');
    bob = await login(site, 'bob');
  }, 180_000);
  afterAll(() => site?.stop());

  async function upload(visit: Visit): Promise<void> {
    const preview = await readFile(join(projectRoot, 'dev/demo/thumbnail.png'));
    const form = multipart([
      { name: 'csrfmiddlewaretoken', content: await csrfToken(visit, '/') },
      { name: 'file', filename: NAME, content: PDF },
      { name: 'preview', filename: 'a b.png', content: preview },
    ]);
    const response = await visit('/', form);
    expect([response.status, await response.text()]).toEqual([302, '']);
  }

  /** The links of the first document: to save it, to open it, and its picture. */
  async function links(visit: Visit): Promise<string[]> {
    return linksOf(await (await visit('/')).text()).filter((url) => url.startsWith('/download/'));
  }

  const status = async (path: string) => (await fetch(site.origin + path)).status;

  /** What Python prints as JSON, in a process with the settings of the site. */
  async function inDjango(code: string, input: unknown = null) {
    const given = { POSTERN_API: site.api, POSTERN_API_KEY: site.key };
    const { path, env } = await findDjango({ folder: site.folder, settings, env: given });
    const script = `import json, os, django
django.setup()
from django.core.files.storage import default_storage as storage
wanted = json.loads(os.environ["WANTED"])
${code}`;
    const ran = await tryRun(path, ['-c', script], { ...env, WANTED: JSON.stringify(input) });
    expect(ran.ok, ran.output).toBe(true);
    return JSON.parse(ran.output);
  }

  test('django: a link opens an uploaded file, and nothing else does', async (context) => {
    await needTool('django-postern', context);
    await upload(ada);
    const [save = '', open = '', picture = ''] = await links(ada);
    expect(open).toMatch(/^\/download\/documents\/%C3%9Cbersicht_1__x\.pdf\?token=[\w.-]+$/);
    const saved = await fetch(site.origin + save);
    expect([saved.status, await saved.text()]).toEqual([200, PDF]);
    const disposition = parse(saved.headers.get('content-disposition') ?? '');
    expect(disposition).toMatchObject({ type: 'attachment', parameters: { filename: NAME } });
    const opened = await fetch(site.origin + open);
    expect(opened.headers.get('content-disposition')).toBeNull();
    expect(opened.headers.get('content-type')).toBe('application/pdf');
    expect((await fetch(site.origin + picture)).headers.get('content-type')).toBe('image/png');

    const file = open.split('?')[0] ?? '';
    expect(await status(file)).toBe(401);
    expect(await status(file.replace('/download/', '/protected/'))).toBe(404);
    expect(await status(picture.replace(/\?.*/, open.slice(file.length)))).toBe(403);
    expect(await links(bob)).toEqual([]);
  });

  test('django: a link ends with its time', async (context) => {
    await needTool('django-postern', context);
    await writeFile(join(site.folder, 'files', 'a.txt'), 'hello');
    const [short, long, other] = await inDjango(
      `from django_postern.storage import PosternStorage
other = PosternStorage(audience="https://other.example").url("a.txt")
print(json.dumps([storage.url("a.txt", expire=1), storage.url("a.txt"), other]))`,
    );
    expect(await status(long)).toBe(200);
    // A token that the application signed for someone else.
    if (settings === 'settings') expect(await status(other)).toBe(401);
    await expect.poll(() => status(short)).toBe(401);
  });

  test('django: a link with one use opens for one requester', async (context) => {
    await needTool('django-postern', context);
    await writeFile(join(site.folder, 'files', 'a.txt'), 'hello');
    const limits = { max_uses: 1, bind: 'cookie' };
    const url = await inDjango('print(json.dumps(storage.url("a.txt", wanted)))', limits);
    const requester = createVisitor(site.origin);
    for (const _ of [1, 2]) expect((await requester(url)).status).toBe(200);
    expect(await status(url)).toBe(401);
  });

  test('django: a revoked link ends, and those of another user do not', async (context) => {
    await needTool('django-postern', context);
    await upload(ada);
    await upload(bob);
    const [hers = ''] = await links(ada);
    const [his = ''] = await links(bob);
    expect([await status(hers), await status(his)]).toEqual([200, 200]);
    const token = hers.split('token=')[1] ?? '';
    if (settings === 'settings') {
      expect(decodeJwt(token).sub).toBe('1');
      const by = { authorization: `Bearer ${site.key}` };
      const body = new URLSearchParams({ token });
      await fetch(`${site.api}/revoke`, { method: 'POST', headers: by, body });
    } else {
      const revoked = await inDjango('print(json.dumps(storage.client.revoke_subject("1")))');
      expect(revoked.revoked).toBeGreaterThan(2);
    }
    expect([await status(hers), await status(his)]).toEqual([401, 200]);
  });

  test('django: a logout ends the links of the user, and a link after the next login opens', async (context) => {
    await needTool('django-postern', context);
    const eve = await login(site, 'ada');
    await upload(eve);
    const [before = ''] = await links(eve);
    expect(await status(before)).toBe(200);
    const body = new URLSearchParams({ csrfmiddlewaretoken: await csrfToken(eve, '/') });
    expect((await eve('/admin/logout/', { method: 'POST', body })).status).toBe(200);
    expect(await status(before)).toBe(401);
    const again = await login(site, 'ada');
    // Until `signed_before`, signed links get 401.
    await expect.poll(async () => status((await links(again))[0] ?? '')).toBe(200);
    expect(await status(before)).toBe(401);
  });

  test('django: an asynchronous view has links of its user', async (context) => {
    await needTool('django-postern', context);
    await upload(bob);
    const links = (await (await bob('/links/')).json()) as Record<string, string>;
    expect(await status(links[NAME] ?? '')).toBe(200);
  });

  test('django: each legal name opens its own file', async (context) => {
    await needTool('django-postern', context);
    const names = NAMES.map((name) => `names/${name}`);
    for (const name of names) {
      const file = join(site.folder, 'files', name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, name);
    }
    const urls: string[] = await inDjango('print(json.dumps(storage.urls(wanted)))', names);
    const textOf = async (url: string) => (await fetch(site.origin + url)).text();
    const texts = await Promise.all(urls.map(textOf));
    expect(texts).toEqual(names);
  });

  test('django: the permanent address of each legal name opens its own file, for its owner', async (context) => {
    await needTool('django-postern', context);
    const names = NAMES.map((name) => `permanent/${name}`);
    for (const name of names) {
      const file = join(site.folder, 'files', name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, name);
    }
    const addresses: string[] = await inDjango(
      `from django_postern.storage import PosternStorage
from documents.models import Document
for name in wanted: Document.objects.create(owner_id=1, name="a", file=name)
print(json.dumps(PosternStorage(permanent="/files/").urls(wanted)))`,
      names,
    );
    for (const [index, address] of addresses.entries()) {
      const redirect = await ada(address);
      expect([redirect.status, ...privacyOf(redirect)], address).toEqual([303, ...PRIVATE]);
      const link = redirect.headers.get('location') ?? '';
      expect(await (await fetch(site.origin + link)).text()).toBe(names[index]);
      const head = await ada(address, { method: 'HEAD' });
      expect([head.status, head.headers.has('location')]).toEqual([303, true]);
      const refused = await bob(address);
      expect([refused.status, ...privacyOf(refused)], address).toEqual([404, ...PRIVATE]);
    }
    const stranger = await createVisitor(site.origin)(addresses[0] ?? '');
    expect([stranger.status, ...privacyOf(stranger)]).toEqual([302, ...PRIVATE]);
    expect(stranger.headers.get('location')).toBe(`/admin/login/?next=${addresses[0]}`);
  });
});

test('django: manage.py check reports an error with the status 1', async (context) => {
  await needTool('django-postern', context);
  const folder = await folderForTest();
  const { service } = await startPostern(folder);
  await forTest(Promise.resolve(service));
  const manage = join(FOLDER, 'example', 'manage.py');
  const { path, env } = await findDjango({ folder, settings: 'settings' });
  expect(await tryRun(path, [manage, 'check'], env)).toMatchObject({ ok: true });
  await cp(join(folder, 'public.json'), join(folder, 'key.json'));
  const failed = await tryRun(path, [manage, 'check'], env);
  expect(failed).toMatchObject({ ok: false, output: expect.stringContaining('postern.E001') });
});

test('django: manage.py postern_issuer prints the entry for postern.yaml', async (context) => {
  await needTool('django-postern', context);
  const folder = await folderForTest();
  await forTest(startPostern(folder).then(({ service }) => service));
  const { path, env } = await findDjango({ folder, settings: 'settings' });
  const manage = join(FOLDER, 'example', 'manage.py');
  const { output } = await tryRun(path, [manage, 'postern_issuer'], env);
  await expectIssuer(output, { folder }, 'django');
});

test('django: the README makes public files private with at most eight changed lines', async () => {
  const readme = await readFile(join(FOLDER, 'README.md'), 'utf8');
  const [, diff = ''] = /```diff\n([\s\S]*?)\n```/.exec(readme) ?? [];
  const texts = ['settings.py', 'urls.py'].map((name) =>
    readFile(join(FOLDER, 'example', name), 'utf8'),
  );
  const settings = (await Promise.all(texts)).join('');
  const lines = (sign: string) => {
    const signed = diff.split('\n').filter((line) => line.startsWith(sign));
    return signed.map((line) => line.slice(1));
  };
  for (const line of lines('+')) expect(settings).toContain(`${line}\n`);
  for (const line of lines('-')) expect(settings).not.toContain(`${line}\n`);
  const nameOf = (line: string) => line.split(/[:=]/)[0];
  const removed = lines('-').filter((line) => !lines('+').map(nameOf).includes(nameOf(line)));
  expect(lines('+').length + removed.length).toBeLessThanOrEqual(8);
  expect(lines('+').length).toBe(5);
});
