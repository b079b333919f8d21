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
