import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pathError } from '../../service/site/path.ts';
import { gateSnippet, modes, type Site, startSite } from '../support/site.ts';
import { BESIDE, bytes, CLASSES, LEGAL } from '../support/spellings.ts';

const SECRET = 'the secret beside the folder';

describe.each(modes)('traversal: no path leaves the folder by %s', (mode) => {
  let site: Site;
  let token: string;
  beforeAll(async () => {
    site = await startSite({
      mode,
      files: { 'a.txt': 'file a', 'sub/a.txt': 'file a' },
      only: `
        location ^~ /download/ { ${gateSnippet(mode)} }
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

  /** Also checks that no decision allowed it: a 404 could be a missing file. */
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

/** One path for each rule. Issuing has the same rules. */
const ERRORS: ReadonlyArray<[path: string, error: string]> = [
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

test.each(ERRORS)('the path %j %s', (path, error) => {
  expect(pathError(path)).toBe(error);
});
