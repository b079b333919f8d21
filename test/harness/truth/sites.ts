import { readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { projectRoot, textOf } from '../paths.ts';

// The sites of test/fixtures/sites/, which other people published. php.conf there explains the format.

export type PublicSite = ReturnType<typeof siteOf>;

const FOLDER = 'test/fixtures/sites';

export function publicSites(folder = FOLDER): readonly PublicSite[] {
  const names = readdirSync(join(projectRoot, folder)).filter((name) => name.endsWith('.conf'));
  return names.sort().flatMap((name) => sitesIn(textOf(`${folder}/${name}`)));
}

export function sitesIn(text: string): readonly PublicSite[] {
  return text.split(/^### /m).slice(1).map(siteOf);
}

function siteOf(section: string) {
  const [head = '', ...lines] = section.trimEnd().split('\n');
  const [title = '', source = '', license = ''] = head.split(' | ');
  const all = (key: string) =>
    lines.flatMap((line) => (line.startsWith(`${key}: `) ? [line.slice(key.length + 2)] : []));
  const words = (key: string) => all(key).flatMap((line) => line.split(' '));
  const pairs = (key: string) =>
    new Map(all(key).map((line) => [line.split(' ')[0] ?? '', line.slice(line.indexOf(' ') + 1)]));
  const server = lines.filter((line) => !/^(files|protect|depends|leak|app|http): /.test(line));
  const leaks = pairs('leak');
  const depends = pairs('depends');
  const folders = [...new Set([...words('protect'), ...depends.keys()])];
  const app = words('app').map(Number);
  return {
    title,
    source,
    license,
    files: words('files'),
    folders,
    leaks,
    depends,
    app: app.length > 0 ? app : [404, 200, 403, 502],
    http: all('http').join('\n'),
    server: server.join('\n'),
  };
}

/** The content of a file of the tree: that of a protected folder names the file. */
export const markOf = (path: string) => `MARK ${path}\n`;

export async function layTree({ files }: PublicSite, top: string): Promise<void> {
  for (const path of files) {
    await mkdir(dirname(join(top, path)), { recursive: true });
    await writeFile(join(top, path), markOf(path));
  }
}

/** The whole nginx.conf. `whole`: the section has server blocks of its own. */
export function configOf({ http, server }: PublicSite, top: string): string {
  const address = /^listen /m.test(server) ? [] : ['listen 80;'];
  const name = /^server_name /m.test(server) ? [] : ['server_name site.example;'];
  const block = [...address, ...name, server].join('\n');
  const blocks = /^server \{/m.test(server) ? server : `server {\n${block}\n}`;
  const text = `events {\n}\nhttp {\n${http}\n${blocks}\n}\n`;
  return text.replaceAll(/\$top\b/g, () => top);
}
