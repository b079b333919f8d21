import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pathError } from '../../service/domain/path.ts';
import { gateSnippet, type Site, startSite, ways } from '../support/site.ts';

const SECRET = 'the secret beside the folder';

/** Ways to write what leads out of the folder, by class. `\xNN` is sent as that very byte. */
const CLASSES: Readonly<Record<string, readonly string[]>> = {
  dots: [
    '../secret.txt',
    'sub/../../secret.txt',
    './../secret.txt',
    '..',
    '../',
    '.../../secret.txt',
  ],
  'a dot segment that stays inside': ['sub/../a.txt', './a.txt', 'sub/.', 'sub/..'],
  'encoded once': ['%2e%2e/secret.txt', '%2E%2E/secret.txt', '.%2e/secret.txt', '%2e./secret.txt'],
  'an encoded slash': ['..%2fsecret.txt', '%2e%2e%2fsecret.txt', 'sub%2fa.txt', 'sub%2Fa.txt'],
  overlong: ['%c0%ae%c0%ae/secret.txt', '..%c0%afsecret.txt', '%e0%80%ae./secret.txt', '\xc0\xae.'],
  'broken UTF-8': ['%ff/../secret.txt', 'a%ff.txt', '\xff\xfe', '%ed%a0%80.txt', '%f4%90%80%80'],
  'UTF-16': ['%u002e%u002e/secret.txt', '%uff0e%uff0e/secret.txt'],
  'no hex digits': ['%zz/../secret.txt', '%', '%2', '%2g', 'a%.txt'],
  backslash: ['..\\secret.txt', '..%5csecret.txt', 'sub\\..\\..\\secret.txt', '%5c..%5csecret.txt'],
  NUL: ['a.txt%00', 'a.txt%00.jpg', '..%00/secret.txt', '\x00'],
  control: [
    'a.txt%0a',
    'a.txt%0d%0aX: y',
    '%09../secret.txt',
    'a%7f.txt',
    'a%c2%85.txt',
    '\x01',
    '\x7f',
  ],
  'empty segments': ['/a.txt', '//a.txt', 'sub//a.txt', '/../secret.txt', '//../../secret.txt'],
  'a space at the end': ['a.txt%20', 'sub/a.txt%20%20', '%20'],
  'a raw #': ['a.txt#', 'a.txt#/../../secret.txt', '#/../../secret.txt'],
};

/** Names that are legal and only look as if they led out: no file has them. */
const LEGAL: readonly string[] = [
  '%252e%252e/secret.txt',
  '..%252fsecret.txt',
  '%25252e%25252e/secret.txt',
  '\u2024\u2024/secret.txt',
  '%ef%bc%8e%ef%bc%8e/secret.txt',
  '..%e2%88%95secret.txt',
  '..;/secret.txt',
  '..%20/secret.txt',
  '.../secret.txt',
];

/** Beside the mount: the whole request-target. */
const BESIDE: readonly string[] = [
  '/download../secret.txt',
  '/download..%2fsecret.txt',
  '/download%2f..%2fsecret.txt',
  '/download/%2e%2e/%2e%2e/secret.txt',
  '/protected../secret.txt',
  '/protected/../secret.txt',
  '/download/../protected/a.txt',
  '/other/../download/a.txt',
  '//download/a.txt',
  '/./download/a.txt',
  '/Download/a.txt',
  '/%64ownload/../../secret.txt',
  'http://files.example/download/../secret.txt',
  'http://files.example/protected/a.txt',
  'http://files.example//download/a.txt',
  'HTTP://other.example/download/%2e%2e/secret.txt',
  'download/a.txt',
  '*',
  '\\download\\a.txt',
  '/download\\..\\secret.txt',
];

/** A string of which each character up to U+00FF is a byte; others are UTF-8. */
function bytes(target: string): Buffer {
  const parts = [...target].map((one) =>
    Buffer.from(one, one.charCodeAt(0) > 0xff ? 'utf8' : 'latin1'),
  );
  return Buffer.concat(parts);
}

describe.each(ways)('traversal: no path leaves the folder by %s', (way) => {
  let site: Site;
  let token: string;
  beforeAll(async () => {
    site = await startSite({
      way,
      files: { 'a.txt': 'file a', 'sub/a.txt': 'file a' },
      only: `
        location ^~ /download/ { ${gateSnippet(way)} }
        location ^~ /protected/ {
          error_page 404 @gone;
          include postern/internal.conf;
          alias $files/;
          add_header Allowed $postern_target$upstream_http_x_accel_redirect always;
        }
        location @gone {
          add_header Allowed $postern_target$upstream_http_x_accel_redirect always;
          return 404;
        }`,
    });
    await writeFile(join(site.files, '..', 'secret.txt'), SECRET);
    await mkdir(join(site.files, '..', 'protected'));
    token = (await site.issue({ prefix: '/download/' })).access_token;
  });
  afterAll(() => site.stop());

  /** Also that no decision allowed it: then it would only be a file that is not there. */
  async function refused(target: string): Promise<void> {
    const answer = await site.ask('GET', bytes(target), { Connection: 'close' });
    expect([400, 401, 403, 404], target).toContain(answer.status);
    expect(answer.header('Allowed'), target).toBeUndefined();
    expect(answer.text, target).not.toContain(SECRET);
    expect(answer.text, target).not.toContain('file a');
  }

  test.each(Object.entries(CLASSES))('%s', async (_, spellings) => {
    for (const spelling of spellings) {
      await refused(`/download/${spelling}?token=${token}`);
      await refused(`/download/~${token}/${spelling}`);
      await refused(`/download/~${token}/sub/${spelling}`);
    }
  });

  test.each(LEGAL)('%s gets 404', async (name) => {
    const answer = await site.ask('GET', bytes(`/download/~${token}/${name}`));
    expect(answer.status).toBe(404);
    expect(answer.header('Allowed')).toMatch(/^\/protected\//);
  });

  test('paths beside the mount', async () => {
    for (const target of BESIDE) {
      await refused(`${target}?token=${token}`);
      await refused(target);
    }
  });

  test('dot segments around the token', async () => {
    for (const target of [
      `/download/~${token}/../a.txt`,
      `/download/~${token}//a.txt`,
      `/download/x/../~${token}/a.txt`,
      `/download/~${token}`,
      `/download/~${token}/`,
      `/download/~${token}/a.txt?token=${token}`,
      `/download/%7e%70${token.slice(1)}/a.txt`,
      `/download/a.txt?token=${token}&token=${token}`,
      `/download/a.txt?%74oken=${token}`,
    ]) {
      await refused(target);
    }
  });

  test('an absolute URI has the same path', async () => {
    const answer = await site.ask('GET', `http://other.example/download/a.txt?token=${token}`);
    expect([answer.status, answer.text]).toEqual([200, 'file a']);
  });
});

/** One way to break each rule: issuing goes by the same ones. */
const FAULTS: ReadonlyArray<[path: string, fault: string]> = [
  ['download/a.txt', 'must start with a slash'],
  ['/download/a\n.txt', 'must not contain a control character'],
  ['/download/a\u0085.txt', 'must not contain a control character'],
  ['/download/..\\a.txt', 'must not contain a backslash'],
  ['/download/a.txt ', 'must not end in a space'],
  ['/download//a.txt', 'must not have an empty segment'],
  ['/download/', 'must not have an empty segment'],
  ['/download/./a.txt', 'must not have a dot segment'],
  ['/download/../a.txt', 'must not have a dot segment'],
  ['/download/\ud800.txt', 'must be valid Unicode'],
];

test.each(FAULTS)('the path %j %s', (path, fault) => {
  expect(pathError(path)).toBe(fault);
});
