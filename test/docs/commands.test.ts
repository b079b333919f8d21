import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { textOf } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { startService } from '../harness/service.ts';
import { findTool } from '../harness/tools.ts';
import { program } from '../support/cli/postern.ts';
import { docsBlock, fencedBlocks } from '../support/docs/blocks.ts';
import { writeFiles } from '../support/files.ts';
import { folderForTest } from '../support/for-test.ts';

const KEY = 'at-least-16-characters';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const EXAMPLE = docsBlock('reference/http.md', 'JSON=');

// The commands of other pages need nginx, Redis, systemd or Docker.
test.each([
  ...['reference/http.md', 'reference/tokens.md', 'reference/cli.md'],
  ...['guides/delivery.md', 'guides/links-in-email.md'],
])('docs/%s: each command for the API succeeds as printed', async (page) => {
  const folder = await folderForTest();
  const [port] = await freePorts(1);
  const app = { id: 'app', issuer: 'https://app.example', audience: 'files', client: 'web' };
  const trust = {
    jwks_uri: 'https://app.example/',
    trusted_for: 'downloads',
    paths: ['/download/'],
  };
  const config = {
    ...{ mounts: [{ public: '/download/', internal: '/protected/' }], max_expires_in: 86_400 },
    ...{ delivery_listen: `127.0.0.1:${port}`, issuers: [{ ...app, ...trust }] },
    api_keys: [{ id: 'web', key: `sha256:${sha256(KEY)}` }],
  };
  await writeFiles(folder, { 'postern.yaml': JSON.stringify(config) });
  await mkdir(join(folder, 'nginx'));
  const service = await startService({ env: { POSTERN_CONFIG: join(folder, 'postern.yaml') } });
  onTestFinished(async () => void (await service.stop()));
  const api = `http://127.0.0.1:${service.apiPort}`;
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ path: '/download/hello.txt', subject: 'user-42' });
  let made = { id: '-', access_token: '' };
  // The page says what an ID that begins with a hyphen needs.
  while (made.id.startsWith('-')) {
    made = (await (
      await fetch(`${api}/tokens`, { method: 'POST', headers, body })
    ).json()) as typeof made;
  }
  await writeFiles(folder, { 'token.txt': made.access_token });

  const blocks = fencedBlocks(textOf(`docs/${page}`)).filter(
    ({ language, text }) => /^(sh|bash)$/.test(language) && !/docker|npx|\$URL/.test(text),
  );
  const curl = await findTool('curl');
  const programs = [
    `curl() { '${curl.path}' --fail-with-body "$@"; }`,
    `postern() { '${process.execPath}' '${program}' "$@"; }`,
  ];
  const script = [...programs, EXAMPLE, ...blocks.map(({ text }) => text)].join('\n');
  const here = script
    .replaceAll('http://127.0.0.1:7301', api)
    .replaceAll(/\/etc\/(?=nginx|postern\/)(postern\/)?/g, `${folder}/`)
    .replaceAll('e-SE8A6GH9iOzDIMcEWWDx', made.id)
    .replaceAll(/ps_[\w-]{32}/g, made.access_token);
  const options = { cwd: folder, env: { PATH: process.env.PATH, ...curl.env } };
  const { stdout } = await promisify(execFile)('/bin/sh', ['-ec', here], options);
  expect(stdout).not.toBe('');
});
