import { afterAll, beforeAll, describe, inject } from 'vitest';
import { type Example, type ExampleSite, startExample } from '../../dev/examples/site.ts';
import { type Asked, multipart } from './visitor.ts';

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

/** The claims of the token in a link. */
export function claimsOf(link: string): Record<string, unknown> {
  const [, claims = ''] = (new URL(link).searchParams.get('token') ?? '').split('.');
  return JSON.parse(Buffer.from(claims, 'base64url').toString());
}

/** `POST /revoke` */
export async function revokeLink({ api, key }: ExampleSite, link: string): Promise<void> {
  const response = await fetch(`${api}/revoke`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: new URLSearchParams({ token: new URL(link).searchParams.get('token') ?? '' }),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
}

/** `DELETE /tokens?subject=`: the number of revoked tokens. */
export async function revokeSubject({ api, key }: ExampleSite, subject: string): Promise<unknown> {
  const response = await fetch(`${api}/tokens?${new URLSearchParams({ subject })}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${key}` },
  });
  return response.json();
}

/** What a link for one requester answers to a first client, to a second one, and to the first one again. */
export async function useOnce(link: string): Promise<number[]> {
  const first = await fetch(link);
  const cookies = first.headers.getSetCookie().map((cookie) => cookie.split(';')[0]);
  const second = await fetch(link);
  const again = await fetch(link, { headers: { cookie: cookies.join('; ') } });
  return [first, second, again].map(({ status }) => status);
}
