import { rm } from 'node:fs/promises';
import { getRequestListener } from '@hono/node-server';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { temporaryFolder } from '../../harness/paths.ts';
import { apiKey, createPostern, KEY, type Listening, listening } from '../postern.ts';
import { posternHere, type With } from './postern.ts';

export const OTHER = 'another-key-for-the-tests';
export const ADMIN = 'the-key-of-the-administrator';

export let service: Listening;
export let gate: Listening;
export let folder: string;
/** The requests of the test. */
export const asked: string[] = [];

/** Starts the service for the tests of a file. */
export function useService(): void {
  beforeAll(async () => {
    const apiKeys = [
      ...[apiKey(KEY), apiKey(OTHER, { id: 'other' })],
      apiKey(ADMIN, { id: 'ops', admin: true }),
    ];
    const made = createPostern({ apiKeys });
    const answer = getRequestListener(made.api.fetch);
    service = await listening((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      answer(request, response);
    });
    gate = await listening(made.gate);
    folder = await temporaryFolder();
  });
  beforeEach(() => {
    asked.length = 0;
  });
  afterAll(async () => {
    await Promise.all([service.stop(), gate.stop()]);
    await rm(folder, { recursive: true });
  });
}

export const at = (port: number) => `http://127.0.0.1:${port}`;

export function run(words: readonly string[], { env, ...more }: With = {}) {
  const usual = { POSTERN_API: at(service.port), POSTERN_API_KEY: KEY };
  return posternHere(['token', ...words], folder, { env: { ...usual, ...env }, ...more });
}

/** Fails if the command failed or wrote to standard error. */
export async function done(words: readonly string[], more: With = {}): Promise<string> {
  const { code, stdout, stderr } = await run(words, more);
  expect({ code, stderr }, words.join(' ')).toEqual({ code: 0, stderr: '' });
  return stdout;
}

export async function fails(
  code: number,
  words: readonly string[],
  more: With = {},
): Promise<string> {
  const ended = await run(words, more);
  expect({ code: ended.code, stdout: ended.stdout }, words.join(' ')).toEqual({ code, stdout: '' });
  expect(ended.stderr).toMatch(/^postern: .*\n/);
  expect(ended.stderr).not.toMatch(/\n {4}at /);
  return ended.stderr;
}

export async function issued(...words: string[]) {
  return JSON.parse(await done(['issue', ...words, '--json']));
}

export async function stateOf(id: string) {
  return JSON.parse(await done(['show', '--json', '--', id]));
}
