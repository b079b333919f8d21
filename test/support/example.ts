import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { calculateJwkThumbprint, decodeJwt, exportJWK } from 'jose';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { parse } from 'yaml';
import { type Example, type ExampleSite, startExample } from '../../dev/examples/site.ts';

/** Describes the example of a framework. Without the framework its tests are skipped; in CI they fail. */
export function describeExample(name: 'laravel' | 'rails') {
  return describe.skipIf(inject('missingTools')[name] !== undefined && !process.env.CI);
}

/** The example runs for all tests of a `describe`. The site has its members in them. */
export function useExample(example: Example): ExampleSite {
  const site = {} as ExampleSite;
  beforeAll(async () => {
    Object.assign(site, await startExample(example));
  }, 180_000);
  afterAll(() => site.stop?.());
  return site;
}

/** A user of the examples for Laravel and Rails, which have the same pages. */
export function userOf(site: ExampleSite, name: string) {
  const authorization = `Basic ${btoa(`${name}:`)}`;
  const ask = (path: string, { headers, ...asked }: Asked = {}) =>
    fetch(site.origin + path, {
      redirect: 'manual',
      headers: { authorization, ...headers },
      ...asked,
    });

  return {
    ask,
    /** Uploads a file by the form of the page. Returns the ID of the document. */
    async upload(filename: string, content: string | Buffer): Promise<string> {
      const response = await ask('/documents', multipart([{ name: 'file', filename, content }]));
      const id = /#document-(\d+)$/.exec(response.headers.get('location') ?? '')?.[1];
      if (id === undefined) throw new Error(`${response.status} ${await response.text()}`);
      return id;
    },
    /** The link on the page. */
    async link(id: string): Promise<string> {
      const page = await (await ask('/')).text();
      const link = new RegExp(`id="document-${id}"><a href="([^"]+)"`).exec(page)?.[1];
      if (link === undefined) throw new Error(page);
      return new URL(link.replace(/&#0?39;/g, "'"), site.origin).href;
    },
    /** A link for one requester, which Postern recognizes by a cookie. */
    async linkForOne(id: string): Promise<string> {
      const response = await ask(`/documents/${id}?once=1`);
      return new URL(response.headers.get('location') ?? '', site.origin).href;
    },
  };
}

/** Names that nginx, PHP or Ruby could read in another way in a URL than on a disk. */
export const NAMES = [
  'Übersicht (1) & "x".pdf',
  '100% #1? a+b.txt',
  "it's ~ok; a=b&c,d.txt",
  '日本語 😀.txt',
  '%41%2F..%5C.txt',
] as const;

/** `Übersicht (1) & "x".pdf`, as browsers read it. */
export const TITLE_IN_HEADER = "filename*=UTF-8''%C3%9Cbersicht%20%281%29%20%26%20%22x%22.pdf";

const statusOf = async (link: string) => (await fetch(link)).status;

export interface Revoked {
  readonly revoked: number;
  readonly signed_before: number;
}

/** What the links of both examples can and cannot do. The claims are those of a signed link, beside the subject. */
export function testLinks(
  site: ExampleSite,
  tokens: 'signed' | 'issued',
  revokeSubject: (subject: string) => Promise<Revoked>,
  more = {},
): void {
  const authorization = () => ({ authorization: `Bearer ${site.key}` });
  const tokenOf = (link: string) => new URL(link).searchParams.get('token') ?? '';

  test('a revoked link gets 401, and another link of the same file works', async () => {
    const ada = userOf(site, 'ada');
    const id = await ada.upload('revoked.txt', 'content');
    const [revoked, other] = [await ada.link(id), await ada.link(id)];
    const body = new URLSearchParams({ token: tokenOf(revoked) });
    await fetch(`${site.api}/revoke`, { method: 'POST', headers: authorization(), body });
    expect(await statusOf(revoked)).toBe(401);
    expect(await statusOf(other)).toBe(200);
  });

  test('the subject is the user of the request', async () => {
    const eve = userOf(site, 'eve');
    const link = await eve.link(await eve.upload('eve.txt', 'content'));
    if (tokens === 'signed') {
      expect(decodeJwt(tokenOf(link))).toMatchObject({ sub: 'eve', ...more });
    } else {
      expect((await revokeSubject('eve')).revoked).toBe(1);
    }
  });

  test('a logout that revokes ends the links of the user, and a later link opens', async () => {
    const [kim, ben] = [userOf(site, 'kim'), userOf(site, 'ben')];
    const id = await kim.upload('kim.txt', 'content');
    const before = await kim.link(id);
    const other = await ben.link(await ben.upload('ben.txt', 'content'));
    expect([await statusOf(before), await statusOf(other)]).toEqual([200, 200]);
    const { signed_before: until } = await revokeSubject('kim');
    expect([await statusOf(before), await statusOf(other)]).toEqual([401, 200]);
    // Until then, signed links of a new login get 401 too.
    if (tokens === 'issued') expect(await statusOf(await kim.link(id))).toBe(200);
    await expect.poll(() => Date.now() / 1000).toBeGreaterThan(until);
    expect(await statusOf(await kim.link(id))).toBe(200);
  });

  test('another user gets no link of the file, and cannot use one for another file or requester', async () => {
    const [ada, ben] = [userOf(site, 'ada'), userOf(site, 'ben')];
    const id = await ada.upload('ada.txt', 'secret of ada');
    expect((await ben.ask(`/documents/${id}`)).status).toBe(404);

    const { search } = new URL(await ben.link(await ben.upload('ben.txt', 'of ben')));
    const { origin, pathname } = new URL(await ada.link(id));
    expect(await statusOf(origin + pathname + search)).toBe(403);
    expect(await statusOf(origin + pathname)).toBe(401);

    const once = await ada.linkForOne(id);
    const first = await fetch(once);
    const cookie = first.headers.getSetCookie().map((one) => one.split(';')[0]);
    expect([first.status, await statusOf(once)]).toEqual([200, 401]);
    expect((await fetch(once, { headers: { cookie: cookie.join('; ') } })).status).toBe(200);
  });
}

/** The example also has `rsa.pem`, whose public half Postern trusts: ECDSA never repeats a signature. */
export function withRsaKey(example: Example): Example {
  return {
    ...example,
    async writeKeys(folder) {
      await example.writeKeys?.(folder);
      const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const pem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' });
      await writeFile(join(folder, 'rsa.pem'), pem);
      const file = join(folder, 'public.json');
      const { keys } = JSON.parse(await readFile(file, 'utf8'));
      const jwk = await exportJWK(pair.publicKey);
      const kid = await calculateJwkThumbprint(jwk);
      await writeFile(file, JSON.stringify({ keys: [...keys, { ...jwk, kid, alg: 'RS256' }] }));
    },
  };
}

/** A link with `cache_for` that the application makes. `now`, and `since` (the last login), are seconds since 1970. */
export interface Wanted {
  readonly now: number;
  readonly since?: number;
  readonly subject?: string;
  readonly max_uses?: number;
}

/** Links that stay equal. The file is `equal.txt`, in the folder of the files. */
export function testEqualLinks(
  linksOf: (cacheFor: number, wanted: readonly Wanted[]) => Promise<string[]>,
  revokeSubject: (subject: string) => Promise<Revoked>,
): void {
  const claimsOf = (link = '') => decodeJwt(new URL(link).searchParams.get('token') ?? '');

  test('links stay equal for a user after the last login, and not with uses', async () => {
    const now = 1_800_000_000;
    const kim = { subject: 'kim', since: now - 5000 };
    const login = { ...kim, since: now + 100 };
    const links = await linksOf(600, [
      { now: now + 1, ...kim },
      { now: now + 599, ...kim },
      { now: now + 1 },
      { now: now + 599 },
      { now: now + 600, ...kim },
      { now, ...kim, subject: 'ben' },
      ...Array(2).fill({ now, subject: 'kim' }),
      ...Array(2).fill({ now, ...kim, max_uses: 2 }),
      ...Array(2).fill({ now: now + 161, ...login }),
      { now: now + 162, ...login },
    ]);
    expect(links[0]).toBe(links[1]);
    expect(links[2]).toBe(links[3]);
    expect(new Set(links.slice(1)).size).toBe(links.length - 2);
    expect(claimsOf(links[0])).toMatchObject({ iat: now, exp: now + 660, sub: 'kim' });
    // After a logout that revokes, until the last second that it reaches.
    expect(claimsOf(links.at(-1))).toMatchObject({ iat: now + 162, exp: now + 660 });
  });

  test('a logout that revokes ends equal links, and those after the next login open', async () => {
    const now = Math.floor(Date.now() / 1000);
    const seconds = [3600, 3500, 3400, 3300].find((one) => now % one < one - 60) ?? 3200;
    const lea = { now, subject: 'lea', since: now - 70 };
    const [first = '', second] = await linksOf(seconds, [lea, lea]);
    expect([second, await statusOf(first)]).toEqual([first, 200]);
    const { signed_before: until } = await revokeSubject('lea');
    await expect.poll(() => Date.now() / 1000).toBeGreaterThan(until);
    const later = Math.floor(Date.now() / 1000);
    const [third = ''] = await linksOf(seconds, [{ ...lea, now: later, since: later }]);
    expect([await statusOf(first), await statusOf(third)]).toEqual([401, 200]);
  });
}

/** The command postern:issuer prints the public key, and the entry for postern.yaml. */
export async function expectIssuer(
  printed: string,
  site: Pick<ExampleSite, 'folder'>,
  id: string,
  more = {},
): Promise<void> {
  const [, jwks = '', settings = ''] =
    /^# .*\n(.*)\n\n# postern.yaml\n([\s\S]*)/.exec(printed) ?? [];
  const trusted = JSON.parse(await readFile(join(site.folder, 'public.json'), 'utf8'));
  expect(JSON.parse(jwks).keys).toEqual(trusted.keys.slice(0, 1));
  expect(jwks).not.toContain('"d"');
  expect(parse(settings).issuers).toEqual([
    {
      id,
      issuer: 'https://shop.example',
      audience: 'urn:postern:download',
      jwks_file: `/etc/postern/${id}.json`,
      trusted_for: 'downloads',
      algorithms: ['ES256'],
      paths: ['/download/'],
      max_expires_in: 3600,
      client: 'web',
      ...more,
    },
  ]);
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | URLSearchParams | Buffer;
}

export type Visit = (path: string, asked?: Asked) => Promise<Response>;

/** A browser that keeps its cookies, and follows no redirect. */
export function createVisitor(origin: string): Visit {
  const cookies = new Map<string, string>();
  return async (path, asked = {}) => {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
    const headers = { cookie, ...asked.headers };
    const response = await fetch(origin + path, { redirect: 'manual', ...asked, headers });
    for (const set of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      cookies.set(name, value);
    }
    return response;
  };
}

/** The URLs of `href` and `src` in a page. */
export function linksOf(page: string): string[] {
  const links = [...page.matchAll(/\b(?:href|src)="([^"]+)"/g)].map(([, url = '']) => url);
  return links.map((url) => url.replaceAll('&amp;', '&'));
}

export interface Part {
  readonly name: string;
  readonly filename?: string;
  readonly content: string | Buffer;
}

/** A form with files. `FormData` would write a quote in a name as `%22`. */
export function multipart(parts: readonly Part[]): Asked {
  const boundary = 'a-boundary-for-the-tests';
  const pieces = parts.flatMap(({ name, filename, content }) => {
    const quoted = filename?.replace(/["\\]/g, '\\$&');
    const file = quoted === undefined ? '' : `; filename="${quoted}"`;
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n`;
    const type = quoted === undefined ? '' : 'Content-Type: application/octet-stream\r\n';
    return [Buffer.from(`${head}${type}\r\n`), Buffer.from(content), Buffer.from('\r\n')];
  });
  return {
    method: 'POST',
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    body: Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]),
  };
}
