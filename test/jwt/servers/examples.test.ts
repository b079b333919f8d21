import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { decodeJwt, decodeProtectedHeader, type JWK } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateKey } from '../../../cli/key/command.ts';
import type { Tool } from '../../harness/find-on-path.ts';
import { projectRoot, temporaryFolder, textOf } from '../../harness/paths.ts';
import { launch } from '../../harness/process.ts';
import { type ServiceProcess, startService } from '../../harness/service.ts';
import { askGate } from '../../support/ask-service.ts';
import { docsBlock, fencedBlocks } from '../../support/docs/blocks.ts';
import { forTest } from '../../support/for-test.ts';
import { newJwk, publicHalf } from '../../support/jwt/issuers.ts';
import { needTool } from '../../support/need-tool.ts';

// Runs the programs of integrations/examples/ that sign, against a Postern with the configuration of
// docs/reference/jwt.md.

const PAGE = 'reference/jwt.md';
const blocks = fencedBlocks(textOf(`docs/${PAGE}`));

/** The only block of a language that contains these words. */
function block(language: string, words: string): string {
  const found = blocks.filter((one) => one.language === language && one.text.includes(words));
  expect(found.length, `${language} blocks with ${words}`).toBe(1);
  return found[0]?.text ?? '';
}

const example = (name: string) => textOf(`integrations/examples/${name}`);

async function configuration(jwks: string): Promise<string> {
  const issuers = block('yaml', 'trusted_for: downloads');
  expect(issuers).toContain('/etc/postern/shop.json');
  return `mounts: [{ public: /download/, internal: /protected/ }]
${issuers.replace('/etc/postern/shop.json', jwks)}`;
}

test('docs/reference/jwt.md: jq leaves only the public half of a key', async () => {
  const deleted = /del\((.*)\)/.exec(docsBlock(PAGE, 'jq '))?.[1]?.split(/[., ]+/) ?? [];
  for (const alg of ['EdDSA', 'ES256', 'RS256', 'HS256']) {
    const jwk = await newJwk(alg, 'a');
    const left = Object.entries(jwk).filter(([member]) => !deleted.includes(member));
    expect(Object.fromEntries(left)).toEqual(publicHalf(jwk));
  }
});

describe.each(['EdDSA', 'ES256'] as const)('with a key of %s', (alg) => {
  let folder: string;
  let service: ServiceProcess;
  beforeAll(async () => {
    folder = await temporaryFolder();
    const out = join(folder, 'shop-private.json');
    await generateKey({ out, alg });
    const { keys } = JSON.parse(await readFile(out, 'utf8')) as { keys: JWK[] };
    const jwks = join(folder, 'shop.json');
    await writeFile(jwks, JSON.stringify({ keys: keys.map(publicHalf) }));
    const file = join(folder, 'postern.yaml');
    await writeFile(file, await configuration(jwks));
    const env = { POSTERN_CONFIG: file, POSTERN_API_KEYS: 'web:a-key-for-the-tests-only' };
    service = await startService({ env });
    await symlink(join(projectRoot, 'node_modules'), join(folder, 'node_modules'));
    await mkdir(join(folder, 'home'));
  });
  afterAll(async () => {
    await service?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** The output of a program, run in the folder of the key. */
  async function printed(name: string, text: string, { path, env }: Tool): Promise<string> {
    await writeFile(join(folder, name), text);
    const running = await forTest(
      launch({
        name,
        path,
        args: [name],
        env: { PATH: process.env.PATH, HOME: join(folder, 'home'), ...env },
        cwd: folder,
      }),
    );
    const { code } = await running.exited;
    expect(running.stderr()).toBe('');
    expect(code).toBe(0);
    return running.stdout().trim();
  }

  async function codeOf(token: string, address: string, path = '/download/shop/film.mp4') {
    const answer = await askGate(service, `${path}?token=${token}`, { 'X-Real-IP': address });
    return answer.headers.get(answer.status === 204 ? 'postern-target' : 'postern-reason');
  }

  async function opensForOne(token: string): Promise<void> {
    expect(await codeOf(token, '192.0.2.1', '/download/shop/other.mp4')).toBe('insufficient_scope');
    expect(await codeOf(token, '192.0.2.1')).toBe('/protected/shop/film.mp4');
    expect(await codeOf(token, '192.0.2.1')).toBe('/protected/shop/film.mp4');
    expect(await codeOf(token, '192.0.2.2')).toBe('invalid_token');
    expect(decodeProtectedHeader(token)).toMatchObject({ alg, typ: 'postern+jwt' });
    const { iat = 0, exp = 0, start_by: startBy } = decodeJwt<{ start_by: number }>(token);
    expect([startBy - iat, exp - startBy]).toEqual([120, 3600]);
  }

  test('examples: the Node.js program signs a token that opens the file for one requester', async () => {
    const program = await example('node/sign.mjs');
    const node = { path: process.execPath, env: {} };
    await opensForOne(await printed('sign.mjs', program, node));
  });

  test('examples: the Python program signs a token that opens the file for one requester', async (context) => {
    const { path, env } = await needTool('python3-jwt', context);
    const client = join(projectRoot, 'integrations', 'python');
    const modules = [client, env.PYTHONPATH].filter(Boolean).join(delimiter);
    const python = { path, env: { ...env, PYTHONPATH: modules } };
    await opensForOne(await printed('sign.py', await example('python/sign.py'), python));
  });
});
