import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { testNginx } from './nginx.ts';
import { projectRoot } from './paths.ts';
import { around, placeOf, type Snippet } from './snippet-places.ts';

// `nginx -t` on every file under nginx/: each snippet alone, all of them together, and the whole
// examples. Run by `npm run check`.

const folder = join(projectRoot, 'nginx');
let faults = 0;

async function files(...names: string[]): Promise<string[]> {
  const path = join(folder, ...names);
  const found = (await readdir(path)).filter((name) => name.endsWith('.conf'));
  return found.sort().map((name) => join(path, name));
}

async function check(what: string, config: Parameters<typeof testNginx>[0], ports = 1) {
  const { ok, output } = await testNginx(config, ports);
  // nginx only warns about some errors.
  const fine = ok && !/\[(warn|alert|crit)\]/.test(output);
  if (!fine) faults += 1;
  return fine ? `✓ ${what}` : `✗ ${what}\n${output.trim().replace(/^/gm, '  ')}`;
}

/** A whole example with free ports and existing folders. */
function asItStands(text: string): Parameters<typeof testNginx>[0] {
  return ({ ports, dir }) => {
    let next = 0;
    return text
      .replace(/^(\s*listen\s+)[^;]+;/gm, () => `listen 127.0.0.1:${ports[next++]};`)
      .replaceAll('/var/log/nginx/', `${dir}/`);
  };
}

const snippets: Snippet[] = [];
for (const file of await files('snippets')) {
  const name = relative(join(folder, 'snippets'), file);
  snippets.push({ name, place: placeOf(name, await readFile(file, 'utf8')) });
}
for (const snippet of snippets) {
  console.log(await check(`nginx/snippets/${snippet.name}`, around([snippet])));
}

// A snippet alone finds missing declarations, all together find duplicate ones. So any selection works.
console.log(await check('all of them together', around(snippets)));

for (const file of [...(await files()), ...(await files('examples'))]) {
  const text = await readFile(file, 'utf8');
  const ports = text.match(/^\s*listen\s/gm)?.length ?? 1;
  console.log(await check(relative(projectRoot, file), asItStands(text), ports));
}

process.exitCode = faults === 0 ? 0 : 1;
