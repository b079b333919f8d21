import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { expect, test } from 'vitest';
import { installPackages, loadPackage } from '../harness/packages.ts';
import { projectRoot } from '../harness/paths.ts';
import { startReportingSite } from '../support/delivery.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { KEY, listening } from '../support/postern.ts';

interface Answer {
  readonly content: Array<{ readonly text: string }>;
  readonly isError?: boolean;
}
interface Client {
  connect(transport: object): Promise<void>;
  callTool(call: { name: string; arguments: object }): Promise<Answer>;
  close(): Promise<void>;
}

test('integrations/examples/mcp: a link opens once, shows its delivery, and ends with the conversation', async () => {
  const site = await forTest(
    startReportingSite({ mode: 'auth_request', files: { 'a.txt': 'hello', 'b.txt': 'bye' } }),
  );
  const api = await forTest(listening(getRequestListener(site.postern.api.fetch)));
  const folder = await folderForTest();
  const packages = await installPackages('mcp');
  const modules = join(folder, 'node_modules');
  await mkdir(modules);
  await symlink(projectRoot, join(modules, 'postern'));
  for (const name of ['@modelcontextprotocol', 'zod'])
    await symlink(join(packages, 'node_modules', name), join(modules, name));
  const server = join(folder, 'server.mjs');
  await writeFile(
    server,
    await readFile(join(projectRoot, 'integrations/examples/mcp/server.mjs')),
  );
  const rules =
    "export const mayRead = (user, name) => user === 'ada' && /^[ab]\\.txt$/.test(name);";
  await writeFile(join(folder, 'rules.mjs'), rules);

  const sdk = '@modelcontextprotocol/sdk/client';
  const { Client } = await loadPackage<{ Client: new (about: object) => Client }>(
    'mcp',
    `${sdk}/index.js`,
  );
  const { StdioClientTransport } = await loadPackage<{
    StdioClientTransport: new (options: object) => object;
  }>('mcp', `${sdk}/stdio.js`);
  const env = { POSTERN_API: `http://127.0.0.1:${api.port}`, POSTERN_API_KEY: KEY, USER_ID: 'ada' };
  const client = new Client({ name: 'test', version: '1.0.0' });
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: [server], env }),
  );
  const call = async (name: string, args: object) => {
    const { content, isError = false } = await client.callTool({ name, arguments: args });
    return [content[0]?.text ?? '', isError] as const;
  };
  const link = async (name: string) =>
    JSON.parse((await call('link_to_file', { name }))[0]) as { url: string; id: string };
  const statusOf = async (url: string, headers = {}) =>
    (await site.ask('GET', url, headers)).status;

  expect((await call('link_to_file', { name: 'secret.txt' }))[1]).toBe(true);
  const [first, second] = [await link('a.txt'), await link('b.txt')];
  expect(await call('was_file_sent', { id: first.id })).toEqual(['no', false]);
  expect((await site.ask('GET', first.url)).text).toBe('hello');
  const fromElsewhere = new Promise((resolve) => {
    const from = { localAddress: '127.0.0.2' };
    get(site.nginx.url(first.url), from, (answer) => resolve(answer.resume().statusCode));
  });
  expect(await fromElsewhere).toBe(401);
  await expect.poll(async () => (await call('was_file_sent', { id: first.id }))[0]).toBe('yes');
  const other = await site.issue({ path: '/download/a.txt', subject: 'bob' });
  expect((await call('was_file_sent', { id: other.id }))[1]).toBe(true);
  await client.close();
  expect(await statusOf(second.url)).toBe(401);
  expect(await statusOf(other.url)).toBe(200);
});
