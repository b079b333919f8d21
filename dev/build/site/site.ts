import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, extname, join, normalize, relative } from 'node:path';
import { installPackages } from '../../../test/harness/packages.ts';
import { projectRoot } from '../../../test/harness/paths.ts';
import { run } from '../../../test/harness/run.ts';

const HOME = 'README.md';
const PICTURES = 'docs/pictures';

/** The folders of docs/, in the order of the menu. */
const SECTIONS: Readonly<Record<string, string>> = {
  start: 'Start',
  guides: 'Guides',
  reference: 'Reference',
  operate: 'Operate',
  understand: 'Understand',
};

/** Makes a site of README.md, docs/ and the pages that they link to, with a search that needs no server. */
export async function buildSite(out: string, base: string): Promise<void> {
  const packages = await installPackages('dev');
  // Below the packages, because the built pages import Vue.
  const work = await mkdtemp(join(packages, 'pages-'));
  try {
    const pages = await pageNames();
    for (const page of pages) await write(work, named(page), await withLinks(page, pages, work));
    // A picture that is only linked is no asset of a page.
    for (const to of [PICTURES, join('public', PICTURES)])
      await cp(join(projectRoot, PICTURES), join(work, to), { recursive: true });
    await write(work, '.vitepress/config.mjs', await configuration(out, base, pages));
    const program = join(packages, 'node_modules', 'vitepress', 'bin', 'vitepress.js');
    await run(process.execPath, [program, 'build', work]);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function pageNames(): Promise<string[]> {
  const isPage = (name: string) => name.endsWith('.md');
  const own = (await readdir(projectRoot)).filter(isPage);
  const docs = (await readdir(join(projectRoot, 'docs'), { recursive: true })).filter(isPage);
  const integrations = (await readdir(join(projectRoot, 'integrations')))
    .map((name) => join('integrations', name, HOME))
    .filter((page) => existsSync(join(projectRoot, page)));
  return [...own, ...docs.map((name) => join('docs', name)), ...integrations].sort();
}

const named = (page: string) => (page === HOME ? 'index.md' : page);

/**
 * The text of a page. A link to a file that is not a page leads to a copy, which a browser shows as text, and a link to a
 * folder of pictures to a page with all of them.
 */
async function withLinks(page: string, pages: readonly string[], work: string): Promise<string> {
  const text = await readFile(join(projectRoot, page), 'utf8');
  const copied: string[] = [];
  const albums: string[] = [];
  const changed = text.replace(/\]\((?![a-z]+:)([^)#]+)/g, (link, file: string) => {
    const target = normalize(join(dirname(page), file));
    if (target === HOME) return `](${relative(dirname(page), 'index.md')}`;
    if (pages.includes(target)) return link;
    if (target.startsWith(PICTURES)) {
      if (extname(target) !== '') return link;
      albums.push(target);
      return `](${join(file, 'index.md')}`;
    }
    if (!existsSync(join(projectRoot, target))) throw new Error(`${page}: no file ${target}`);
    copied.push(target);
    return `](/${copyOf(target)}`;
  });
  for (const file of copied) {
    await write(work, join('public', copyOf(file)), await contentOf(join(projectRoot, file)));
  }
  for (const folder of albums) {
    const names = (await readdir(join(projectRoot, folder))).sort();
    const pictures = names.map((name) => `![${name}](./${name})`);
    await write(work, join(folder, 'index.md'), `# Pictures\n\n${pictures.join('\n\n')}\n`);
  }
  return changed;
}

// GitHub Pages does not serve hidden files.
const copyOf = (file: string) => `files/${file.replace(/(?<=^|\/)\./g, '')}.txt`;

/** The content of a file, or the names in a folder. */
async function contentOf(path: string): Promise<string | Buffer> {
  if (!(await stat(path)).isDirectory()) return readFile(path);
  return `${(await readdir(path)).sort().join('\n')}\n`;
}

async function write(work: string, name: string, content: string | Buffer): Promise<void> {
  const path = join(work, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

async function configuration(out: string, base: string, pages: readonly string[]): Promise<string> {
  const title = async (page: string) =>
    /^# (.*)$/m.exec(await readFile(join(projectRoot, page), 'utf8'))?.[1] ?? page;
  const linked = async (page: string) => ({
    text: await title(page),
    link: `/${page.replace(/\.md$/, '')}`,
  });
  const sections = Object.entries(SECTIONS).map(async ([folder, text]) => ({
    text,
    items: await Promise.all(
      pages.filter((page) => page.startsWith(`docs/${folder}/`)).map(linked),
    ),
  }));
  const others = pages.filter((page) => !page.startsWith('docs/') && page !== HOME);
  const project = { text: 'Project', items: await Promise.all(others.map(linked)) };
  const config = {
    ...{ title: 'Postern', lang: 'en', base, outDir: out, srcDir: '.' },
    description: 'Short-lived download links for files behind nginx',
    themeConfig: {
      sidebar: [...(await Promise.all(sections)), project],
      outline: [2, 3],
      search: { provider: 'local' },
    },
  };
  // The anchors of GitHub, which the pages use. Braces in a heading, such as {id}, are text.
  return `export default {
  ...${JSON.stringify(config, null, 2)},
  markdown: {
    attrs: { disable: true },
    anchor: {
      slugify: (heading) =>
        heading.toLowerCase().replace(/[^\\p{L}\\p{N}\\s_-]/gu, '').trim().replace(/\\s/g, '-'),
    },
  },
};
`;
}
