import { resolve } from 'node:path';
import { projectRoot } from '../../../test/harness/paths.ts';
import { brokenLinks } from './links.ts';
import { buildSite } from './site.ts';

// Makes the documentation site, and checks each link in it. Usage: npm --prefix dev run docs -- [folder]. With BASE, the site is below
// that path, such as /postern/.

const out = resolve(process.argv[2] ?? `${projectRoot}/dist/site`);
const base = process.env.BASE ?? '/';
await buildSite(out, base);
const { pages, links, broken } = await brokenLinks(out, base);
for (const line of broken) console.error(`✗ ${line}`);
console.log(`${out}: ${pages} pages, ${links} links, ${broken.length} broken`);
if (broken.length > 0) process.exitCode = 1;
