import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OpenapiTools, openapiTools } from '../../dev/build/openapi/tools.ts';
import { temporaryFolder } from '../harness/paths.ts';
import type { Ran } from '../harness/run.ts';
import { startService } from '../harness/service.ts';
import { ENV } from '../support/ask-service.ts';
import { forTest } from '../support/for-test.ts';
import { KEY } from '../support/postern.ts';

let folder: string;
let tools: OpenapiTools;

beforeAll(async () => {
  folder = await temporaryFolder();
  tools = await openapiTools(folder);
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
}, 300_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const STRICT = ['--strict', '--target', 'es2022', '--lib', 'es2022,dom'];
const FORMAT = ['--module', 'es2022', '--moduleResolution', 'bundler'];

function compile(file: string, ...options: string[]): Promise<Ran> {
  return tools.run('tsc', ...STRICT, ...FORMAT, ...options, join(folder, file));
}

test('OpenAPI: openapi-typescript makes different types for a file and a folder', async () => {
  const types = join(folder, 'types.ts');
  expect((await tools.run('openapi-typescript', tools.document, '-o', types)).output).toContain(
    '🚀',
  );
  // An expected error that is missing is an error, too.
  await writeFile(
    join(folder, 'using.ts'),
    `import type { components, operations } from './types.ts';
    type Request = components['schemas']['TokenRequest'];
    export const requests: Request[] = [
      { path: '/download/a', max_uses: 1 },
      { prefix: '/download/b/', index: true },
      // @ts-expect-error neither
      { max_uses: 1 },
      // @ts-expect-error unknown field
      { path: '/a', pth: 1 },
    ];
    type Many = operations['issueTokens']['responses'][201]['content']['application/json'];
    export const urlOf = (many: Many): string | undefined => many[0]?.url;
    export const idOf = (state: components['schemas']['Introspection']): string =>
      state.active ? state.jti : 'none';`,
  );
  const { ok, output } = await compile('using.ts', '--noEmit', '--allowImportingTsExtensions');
  expect(ok, output).toBe(true);
}, 180_000);

test('OpenAPI: a generated client issues, shows and revokes tokens', async () => {
  const args = ['generate', '-p', tools.document, '-o', folder, '-n', 'client.ts', '--silent'];
  const made = await tools.run('swagger-typescript-api', ...args);
  expect(made.ok, made.output).toBe(true);
  const out = join(folder, 'out');
  await mkdir(out);
  const compiled = await compile('client.ts', '--outDir', out, '--skipLibCheck');
  expect(compiled.ok, compiled.output).toBe(true);
  const { Api } = await import(join(out, 'client.js'));

  const service = await forTest(startService({ env: ENV }));
  const { tokens, revoke } = new Api({
    baseUrl: `http://127.0.0.1:${service.apiPort}`,
    baseApiParams: { headers: { authorization: `Bearer ${KEY}` } },
  });
  const { data: one } = await tokens.issueToken({ path: '/download/a' });
  const { data: many } = await tokens.issueTokens([
    { prefix: '/download/b/' },
    { path: '/download/c' },
  ]);
  expect(many).toHaveLength(2);
  expect((await tokens.showToken(one.id)).data).toMatchObject({ path: '/download/a' });
  expect((await tokens.revokeToken(one.id)).status).toBe(204);
  await expect(tokens.showToken(one.id)).rejects.toMatchObject({ error: { code: 'not_found' } });
  expect(revoke).toBeDefined();
}, 180_000);
