import { execFile } from 'node:child_process';
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
const EXAMPLE = docsBlock('reference/http.md', 'JSON=');

// The commands of other pages need nginx, Redis, systemd or Docker.
test.each([
  ...['reference/http.md', 'reference/tokens.md', 'reference/cli.md'],
  ...['guides/delivery.md', 'guides/links-in-email.md'],
])('docs/%s: each command for the API succeeds as printed', async (page) => {
  const folder = await folderForTest();
  const [port] = await freePorts(1);
  const app = {
    ...{ id: 'app', issuer: 'https://app.example', audience: 'files', client: 'web' },
    ...{ jwks_uri: 'https://app.example/', trusted_for: 'downloads', paths: ['/download/'] },
  };
  const config = {
    ...{ mounts: [{ public: '/download/', internal: '/protected/' }], max_expires_in: 86_400 },
    ...{ delivery_listen: `127.0.0.1:${port}`, issuers: [app] },
  };
  await writeFiles(folder, { 'postern.yaml': JSON.stringify(config) });
  await mkdir(join(folder, 'nginx'));
  const keys = { POSTERN_API_KEYS: `web:${KEY}` };
  const env = { POSTERN_CONFIG: join(folder, 'postern.yaml'), ...keys };
  const service = await startService({ env });
  onTestFinished(async () => void (await service.stop()));
  const api = `http://127.0.0.1:${service.apiPort}`;
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
  // The page says what an ID that begins with a hyphen needs.
  const body = JSON.stringify(Array(9).fill({ path: '/download/hello.txt', subject: 'user-42' }));
  const response = await fetch(`${api}/tokens/batch`, { method: 'POST', headers, body });
  const all = (await response.json()) as Array<{ id: string; access_token: string }>;
  const made = all.find(({ id }) => !id.startsWith('-')) ?? expect.unreachable();
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
  const options = { cwd: folder, env: { PATH: process.env.PATH, ...curl.env, ...keys } };
  const { stdout } = await promisify(execFile)('/bin/sh', ['-ec', here], options);
  expect(stdout).not.toBe('');
});
