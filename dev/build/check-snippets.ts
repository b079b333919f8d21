import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { testNginx } from '../../test/harness/nginx.ts';
import { projectRoot } from '../../test/harness/paths.ts';

// `nginx -t` on every file under nginx/: each snippet alone, all of them together, and the whole
// examples. Run by `npm run check`.

/** Where to include a snippet, from its line `# Where: in the … block` or `… location`. */
type Place = 'http' | 'server' | 'location';

type Snippet = { readonly name: string; readonly place: Place };

const folder = join(projectRoot, 'nginx');
let failed = 0;

async function files(...names: string[]): Promise<string[]> {
  const path = join(folder, ...names);
  const found = (await readdir(path)).filter((name) => name.endsWith('.conf'));
  return found.sort().map((name) => join(path, name));
}

async function check(what: string, config: Parameters<typeof testNginx>[0], ports = 1) {
  const { ok, output } = await testNginx(config, ports);
  // nginx only warns about some errors.
  const fine = ok && !/\[(warn|alert|crit)\]/.test(output);
  if (!fine) failed += 1;
  return fine ? `✓ ${what}` : `✗ ${what}\n${output.trim().replace(/^/gm, '  ')}`;
}

/** A whole example with free ports and existing folders. */
function asItStands(text: string): Parameters<typeof testNginx>[0] {
  return ({ ports, dir }) => {
    let next = 0;
    return text
      .replace(/^(\s*listen\s+)[^;]+;/gm, () => `listen 127.0.0.1:${ports[next++]};`)
      .replace(/\/var\/(?:log|cache)\/nginx\//g, `${dir}/`);
  };
}

/** The place in the text of a snippet. Undefined: other snippets include it. */
function placeOf(name: string, text: string): Place | undefined {
  if (/^#.* includes? this file/m.test(text)) return undefined;
  const where = /^# Where: in (?:the|each) (?:[a-z]+ )?(http block|server block|location)/m.exec(
    text,
  );
  const place = where?.[1]?.split(' ', 1)[0];
  if (place === undefined) {
    throw new Error(`${name} must say "# Where: in the http block | server block | … location"`);
  }
  return place as Place;
}

const DECLARE: readonly Snippet[] = [
  { name: 'http.conf', place: 'http' },
  { name: 'auth-request.conf', place: 'server' },
];

/** A configuration that includes each snippet in its place, and each location snippet in a separate location. */
function around(snippets: readonly Snippet[]): string {
  // They declare the variables of the others. http.conf is first, because cache.conf replaces some of its maps.
  const all = [...new Map([...DECLARE, ...snippets].map((one) => [one.name, one])).values()];
  const includes = (place: Place) =>
    all.filter((snippet) => snippet.place === place).map(({ name }) => `include postern/${name};`);
  const locations = includes('location').map((line, i) => `location ^~ /${i}/ { ${line} }`);
  return `
    ${includes('http').join('\n')}
    upstream postern { server 127.0.0.1:7300; keepalive 256; }
    server {
      listen unix:nginx.sock;
      ${includes('server').join('\n')}
      ${locations.join('\n')}
    }`;
}

const snippets: Snippet[] = [];
for (const file of await files('snippets')) {
  const name = relative(join(folder, 'snippets'), file);
  const place = placeOf(name, await readFile(file, 'utf8'));
  if (place !== undefined) snippets.push({ name, place });
}
for (const snippet of snippets) {
  console.log(await check(`nginx/snippets/${snippet.name}`, around([snippet])));
}

// A snippet with only auth-request.conf finds missing declarations, all together find duplicate ones. So any selection works.
console.log(await check('all of them together', around(snippets)));

for (const file of [...(await files()), ...(await files('examples'))]) {
  const text = await readFile(file, 'utf8');
  const ports = text.match(/^\s*listen\s/gm)?.length ?? 1;
  console.log(await check(relative(projectRoot, file), asItStands(text), ports));
}

process.exitCode = failed === 0 ? 0 : 1;
