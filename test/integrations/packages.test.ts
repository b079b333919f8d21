import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startPostern } from '../../dev/examples/site.ts';
import { GRANT_FIELDS, type GrantField } from '../../service/token/grant-fields.ts';
import { projectRoot, textOf } from '../harness/paths.ts';
import { tryRun } from '../harness/run.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { needTool } from '../support/need-tool.ts';

const FOLDER = join(projectRoot, 'integrations');
const MAX_README_WORDS = 750;

const read = (...path: string[]) => readFileSync(join(FOLDER, ...path), 'utf8');
const { version } = JSON.parse(textOf('package.json'));

const PACKAGES = readdirSync(FOLDER).filter((name) => name !== 'examples');

describe.each(PACKAGES)('integrations/%s', (name) => {
  test(`has a README of at most ${MAX_README_WORDS} words, with versions and license`, () => {
    const readme = read(name, 'README.md');
    const words = readme.split(/\s+/).filter((word) => word !== '');
    expect(words.length).toBeLessThanOrEqual(MAX_README_WORDS);
    expect(readme).toMatch(/^## Versions$/m);
    expect(readme).toContain('MIT');
  });

  test('has a changelog', () => {
    expect(read(name, 'CHANGELOG.md')).toMatch(/^## \[Unreleased\]$/m);
  });

  const gem = readdirSync(join(FOLDER, name)).find((file) => file.endsWith('.gemspec'));
  test.runIf(gem)('has the version of Postern in its gemspec', () => {
    expect(read(name, gem as string)).toContain(`spec.version = "${version}"`);
  });

  test.runIf(existsSync(join(FOLDER, name, 'LICENSE')))('has the license of Postern', () => {
    expect(read(name, 'LICENSE')).toBe(textOf('LICENSE'));
  });

  test.runIf(existsSync(join(FOLDER, name, 'pyproject.toml')))('has the version of Postern', () => {
    const text = read(name, 'pyproject.toml');
    expect(text).toContain(`\nversion = "${version}"\n`);
    // A package that depends on another one of this project.
    for (const [, pinned] of text.matchAll(/==([\d.]+)/g)) expect(pinned).toBe(version);
  });
});

const PYTHON = join(projectRoot, 'integrations', 'python');

test('postern_downloads: the tests of the client pass against a Postern', async (context) => {
  const python = await needTool('postern-downloads', context);
  const folder = await folderForTest();
  const { service, api, key } = await startPostern(folder);
  await forTest(Promise.resolve(service));
  const env = {
    ...python.env,
    POSTERN_API: api,
    POSTERN_API_KEY: key,
    POSTERN_KEY_FILE: join(folder, 'key.json'),
    PYTHONDONTWRITEBYTECODE: '1',
  };
  const args = ['-W', 'error', '-m', 'unittest', 'discover', '-s', PYTHON];
  const { ok, output } = await tryRun(python.path, args, env);
  expect(output).toMatch(/^Ran \d{2} tests/m);
  expect(ok, output).toBe(true);
});

test('postern_downloads: has each field of a request, and signs those that are claims', () => {
  const text = read('python', 'postern_downloads/types.py');
  const fieldsOf = (name: string) => {
    const [, body = ''] = new RegExp(`class ${name}\\(.*\\n([^]*?)\\n\\n\\n`).exec(text) ?? [];
    return [...body.matchAll(/^ {4}(\w+): /gm)].map(([, field]) => field);
  };
  const fields: Array<[string, GrantField]> = Object.entries(GRANT_FIELDS);
  // `subject` becomes `sub`.
  const signed = fields.filter(([name, { claim }]) => claim === undefined || name === 'subject');
  expect(fieldsOf('SignRequest').sort()).toEqual(signed.map(([name]) => name).sort());
  const all = [...fieldsOf('SignRequest'), ...fieldsOf('TokenRequest')];
  expect(all.sort()).toEqual(fields.map(([name]) => name).sort());
});

const TYPED = `
import asyncio
from postern_downloads import Postern, Signer

url: str = Postern("http://a", "b").issue(path="/download/a", max_uses=1)["url"]
jti: str = Signer("key.json", issuer="a", audience="b").sign(path="/download/a", expires_in=1)["jti"]
end: int | None = Postern("http://a", "b").revoke_subject("a").get("signed_before")

async def main() -> str:
    postern = Postern("http://a", "b")
    return (await postern.to_thread(postern.issue, path="/download/a"))["url"]

asyncio.run(main())
`;

test('postern_downloads: mypy accepts its types, and finds a wrong one', async (context) => {
  const python = await needTool('postern-downloads', context);
  const folder = await folderForTest();
  // As an installed package: mypy reads its types only with py.typed.
  await cp(join(PYTHON, 'postern_downloads'), join(folder, 'site/postern_downloads'), {
    recursive: true,
  });
  const modules = [join(folder, 'site'), python.env.PYTHONPATH].filter(Boolean).join(delimiter);
  const env = { ...python.env, PYTHONPATH: modules, MYPY_CACHE_DIR: join(folder, 'cache') };
  const check = async (text: string) => {
    const file = join(folder, 'program.py');
    await writeFile(file, text);
    return tryRun(python.path, ['-m', 'mypy', '--strict', file], env);
  };
  expect(await check(TYPED)).toMatchObject({ ok: true });
  const wrong = await check(TYPED.replace('max_uses=1', 'max_use=1'));
  expect(wrong.output).toMatch(/max_use/);
  // The types of FastAPI take minutes to read.
  const own = [
    '-m',
    'mypy',
    '--strict',
    '--follow-imports',
    'skip',
    join(PYTHON, 'postern_downloads'),
  ];
  expect(await tryRun(python.path, own, env)).toMatchObject({ ok: true });
});

const BUILD = `
import os, sys, zipfile
from setuptools.build_meta import build_wheel
os.chdir(sys.argv[1])
wheel = build_wheel(sys.argv[1])
print("files:", *(name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name))
`;

test.for([
  ['python', 'postern_downloads/py.typed'],
  ['django', 'django_postern/management/commands/postern_issuer.py'],
])('integrations/%s: the wheel has only the package', async ([name = '', file], context) => {
  const python = await needTool('python3-setuptools', context);
  // setuptools writes into the folder of the sources.
  const folder = join(await folderForTest(), name);
  await cp(join(projectRoot, 'integrations', name), folder, { recursive: true, dereference: true });
  const { ok, output } = await tryRun(python.path, ['-c', BUILD, folder], python.env);
  expect(ok, output).toBe(true);
  const files = /^files: (.*)$/m.exec(output)?.[1]?.split(' ') ?? [];
  expect(files).toContain(file);
  expect(files.filter((one) => /test|example/.test(one))).toEqual([]);
});
