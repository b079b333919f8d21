import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../paths.ts';
import { sitesIn } from './sites.ts';
import { truthOf } from './truth.ts';

// Asks real nginx which folders of the sites in test/fixtures/sites/ leak, and writes the lines `leak:`. Usage, after
// npm run build: node dist/test/harness/truth/main.js [folder [word of a title]]

const [, , folder = join(projectRoot, 'test', 'fixtures', 'sites'), word = ''] = process.argv;
let [requests, folders, leaks] = [0, 0, 0];
for (const name of (await readdir(folder)).filter((one) => one.endsWith('.conf')).sort()) {
  const path = join(folder, name);
  const [intro = '', ...sections] = (await readFile(path, 'utf8')).split(/^### /m);
  const written: string[] = [];
  for (const section of sections) {
    const [site] = sitesIn(`### ${section}`);
    if (site === undefined || !site.title.includes(word)) {
      written.push(section);
      continue;
    }
    try {
      const answers = [...(await truthOf(site))];
      const found = answers.flatMap(([one, { leak }]) =>
        leak === undefined ? [] : [`leak: ${one} ${leak}`],
      );
      for (const [, answer] of answers) requests += answer.requests;
      folders += answers.length;
      leaks += found.length;
      const kept = section.split('\n').filter((line) => !line.startsWith('leak: '));
      const last = kept.findLastIndex((line) => /^(files|protect|depends|app): /.test(line));
      written.push([...kept.slice(0, last + 1), ...found, ...kept.slice(last + 1)].join('\n'));
      console.log(`${site.title}: ${found.join(', ') || 'clean'}`);
    } catch (error) {
      written.push(section);
      console.error(`${site.title}: ${(error as Error).message}`);
      process.exitCode = 1;
    }
  }
  await writeFile(path, [intro, ...written].join('### '));
}
console.log(`${folders} folders, ${leaks} leaks, ${requests} requests`);
