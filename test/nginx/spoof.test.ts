import { readFile } from 'node:fs/promises';
import type { IncomingMessage, RequestListener } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { requestHeaders, responseHeaders } from '../../service/gate/headers.ts';
import { projectRoot } from '../harness/paths.ts';
import type { Headers } from '../support/raw.ts';
import { modes, siteForTest, useSite } from '../support/site.ts';

async function sentBySnippets(): Promise<string[]> {
  const names = await Promise.all(
    ['gate', 'auth-request', 'x-accel'].map(async (name) => {
      const path = join(projectRoot, 'nginx', 'snippets', `${name}.conf`);
      const text = await readFile(path, 'utf8');
      return [...text.matchAll(/(?:^\s*|; )proxy_set_header (\S+)/gm)].map(
        (match) => match[1] as string,
      );
    }),
  );
  return names.flat();
}

/** The value that would change the decision, for each header that a client must not set. */
const CLAIMS: Readonly<Record<string, string>> = {
  'x-original-uri': '/download/a.txt',
  'x-original-method': 'GET',
  'postern-site': 'files.example',
  'postern-target': '/protected/b.txt',
  'x-accel-redirect': '/protected/b.txt',
  'postern-args': 'a=1',
  'x-accel-expires': '60',
  'x-accel-limit-rate': '1',
};
/** Headers that a client may send. */
const OWN = ['authorization', 'host', 'connection', 'content-length', 'accept'];
const MORE = ['X-Accel-Redirect', 'X-Accel-Expires', 'X-Accel-Limit-Rate', 'X-Accel-Buffering'];
const FORWARDED = ['X-Forwarded-Uri', 'X-Forwarded-Method', 'X-Rewrite-URL', 'X-Original-URL'];

function spellings(name: string): string[] {
  return [name, name.toUpperCase(), name.toLowerCase(), name.replaceAll('-', '_')];
}

describe.each(modes)('spoofed headers: have no effect by %s', (mode) => {
  let names: string[];
  const server = 'underscores_in_headers on; ignore_invalid_headers off;';
  const files = { 'a.txt': 'file a', 'b.txt': 'file b' };
  const site = useSite({ mode, server, files }, async () => {
    const own = [requestHeaders, responseHeaders].flatMap((headers) => Object.values(headers));
    const all = [...(await sentBySnippets()), ...own, ...MORE, ...FORWARDED];
    names = [...new Set(all.map((name) => name.toLowerCase()))];
    names = names.filter((name) => !OWN.includes(name));
  });

  test('every header in every spelling, once and twice', async () => {
    const { access_token: token } = await site.issue({ path: '/download/a.txt' });
    // The token for a.txt is in each header that could name a token.
    const claim = (name: string) => CLAIMS[name] ?? token;
    const tried: Headers[] = names.flatMap((name) =>
      spellings(name).flatMap((spelling) => [
        { [spelling]: claim(name) },
        { [spelling]: [claim(name), claim(name)] },
        { Connection: spelling },
        { Connection: `close, ${spelling}`, [spelling]: claim(name) },
      ]),
    );
    expect(tried.length).toBeGreaterThan(300);
    for (const headers of tried) {
      const [none, other, own] = await Promise.all([
        site.ask('GET', '/download/b.txt', headers),
        site.ask('GET', `/download/b.txt?token=${token}`, headers),
        site.ask('GET', `/download/a.txt?token=${token}`, headers),
      ]);
      const seen = [none.status, other.status, own.status, own.text];
      expect(seen, JSON.stringify(headers)).toEqual([401, 403, 200, 'file a']);
    }
  });

  test('all headers together', async () => {
    const { access_token: token } = await site.issue({ path: '/download/a.txt' });
    const all = Object.fromEntries(
      names.flatMap((name) => spellings(name).map((one) => [one, CLAIMS[name] ?? token])),
    );
    expect((await site.ask('GET', '/download/b.txt', all)).status).toBe(401);
    expect((await site.ask('GET', `/download/b.txt?token=${token}`, all)).status).toBe(403);
    expect((await site.ask('POST', `/download/a.txt?token=${token}`, all)).status).toBe(403);
  });

  test('the gate gets only the headers of the snippets', async () => {
    const asked: IncomingMessage[] = [];
    const gate: RequestListener = (request, response) => {
      asked.push(request);
      response.writeHead(403, { 'Content-Length': '0' }).end();
    };
    const watched = await siteForTest({ mode, gate, server });
    const range = { Range: 'bytes=0-1', 'If-None-Match': '*' };
    // Of the outer block of slices, and of nginx itself.
    const set = ['Postern-Started', 'Postern-First', 'Postern-Site', 'X-Real-IP', 'X-Original-URI'];
    const forged = Object.fromEntries(set.flatMap(spellings).map((name) => [name, 'forged']));
    const headers = { 'X-Custom': 'x', ...range, Via: 'x', TE: 'x', ...forged };
    const body = { 'Content-Length': '3', 'Content-Type': 'text/plain', Expect: 'x' };
    await watched.ask('GET', '/download/a.txt', headers);
    await watched.ask('POST', '/download/a.txt', { ...headers, ...body }, 'abc');
    const always = {
      host: 'postern',
      'x-original-uri': '/download/a.txt',
      'x-real-ip': '127.0.0.1',
      'x-request-id': expect.any(String),
      'postern-site': 'files.example',
    };
    // A small POST is a confirmation, with its body.
    const confirmation = {
      ...always,
      'x-original-method': 'POST',
      'content-length': '3',
      'postern-host': expect.any(String),
    };
    expect(asked.map(({ method, headers: got }) => [method, got])).toEqual([
      ['GET', { ...always, 'x-original-method': 'GET' }],
      ['POST', confirmation],
    ]);
    await watched.ask('GET', '/download/a.txt', { ...headers, Accept: 'text/html' });
    expect(asked.at(-1)?.url).toBe('/page');
    expect(JSON.stringify(asked.map(({ headers: got }) => got))).not.toContain('forged');
  });
});
