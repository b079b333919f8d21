import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Follows each internal link of a built site, with its fragment. */
export async function brokenLinks(out: string, base: string) {
  const names = (await readdir(out, { recursive: true })).filter((name) => name.endsWith('.html'));
  const texts = new Map<string, string>();
  for (const name of names) texts.set(name, await readFile(join(out, name), 'utf8'));
  const broken: string[] = [];
  let links = 0;
  for (const [name, text] of texts) {
    const here = new URL(base + name, 'http://site');
    for (const [, address = ''] of text.matchAll(/\b(?:href|src)="([^"]*)"/g)) {
      const { origin, pathname, hash } = new URL(address.replaceAll('&amp;', '&'), here);
      if (origin !== here.origin) continue;
      links += 1;
      if (!leadsTo(texts, out, decodeURIComponent(pathname).replace(base, ''), hash))
        broken.push(`${name}: ${address}`);
    }
  }
  return { pages: names.length, links, broken };
}

function leadsTo(texts: ReadonlyMap<string, string>, out: string, path: string, hash: string) {
  const name = path === '' ? 'index.html' : path;
  const text = texts.get(name);
  if (text === undefined) return existsSync(join(out, name));
  return hash === '' || text.includes(` id="${decodeURIComponent(hash.slice(1))}"`);
}
