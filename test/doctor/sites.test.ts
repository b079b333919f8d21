import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { diagnoseText } from '../../doctor/config/diagnose.ts';
import { temporaryFolder } from '../harness/paths.ts';
import { findTool } from '../harness/tools.ts';
import { configOf, layTree, type PublicSite, publicSites } from '../harness/truth/sites.ts';
import { truthOf } from '../harness/truth/truth.ts';

// The doctor and sites that others published. What leaks is known from real nginx, see test/harness/truth/.

type Verdict = 'failed' | 'question' | 'green';
type Truth = 'leak' | 'clean' | 'depends';

const rows: { site: string; folder: string; truth: Truth; verdict: Verdict }[] = [];

const SITES = publicSites().map((site) => [site.title, site] as const);

test.concurrent.for(SITES)('doctor --protect: %s', async ([, site]) => {
  const top = join(await temporaryFolder(), 'top');
  const file = join(top, '..', 'nginx.conf');
  await mkdir(top, { recursive: true });
  await layTree(site, top);
  const text = configOf(site, top);
  await writeFile(file, text);
  for (const folder of site.folders) {
    const verdict = await verdictOf(`# configuration file ${file}:\n${text}\n`, join(top, folder));
    rows.push({ site: site.title, folder, truth: truthFor(site, folder), verdict });
  }
});

async function verdictOf(dump: string, folder: string): Promise<Verdict> {
  const nginx = await findTool('nginx');
  const { text } = await diagnoseText(dump, '-', { nginx, protect: [`${folder}/`], json: true });
  const { findings } = JSON.parse(text) as { findings: readonly { verdict: string }[] };
  const has = (wanted: string) => findings.some(({ verdict }) => verdict === wanted);
  return has('failed') ? 'failed' : has('question') ? 'question' : 'green';
}

function truthFor({ leaks, depends }: PublicSite, folder: string): Truth {
  return leaks.has(folder) ? 'leak' : depends.has(folder) ? 'depends' : 'clean';
}

afterAll(() => {
  const count = (truth: Truth, verdict: Verdict) =>
    rows.filter((row) => row.truth === truth && row.verdict === verdict).length;
  const line = (truth: Truth) =>
    `${truth}: ${count(truth, 'failed')} ✗, ${count(truth, 'question')} ?, ${count(truth, 'green')} ✓`;
  console.log(
    `${SITES.length} sites, ${rows.length} folders\n${line('leak')}\n${line('clean')}\n${line('depends')}`,
  );
  const clean = rows.filter(({ truth }) => truth === 'clean');
  const unclear = clean.filter(({ verdict }) => verdict === 'question');
  console.log(unclear.map((row) => `${row.site}: ${row.folder}`).join('\n'));
  expect(rows.filter(({ truth, verdict }) => truth === 'leak' && verdict !== 'failed')).toEqual([]);
  expect(clean.filter(({ verdict }) => verdict === 'failed')).toEqual([]);
  expect(unclear.length).toBeLessThanOrEqual(0.05 * clean.length);
});

const LEAKS = SITES.filter(([, { leaks }]) => leaks.size > 0);

test.concurrent.for(LEAKS)('nginx sends the file of the line "leak": %s', async ([, site]) => {
  const urls = (folder: string) => [site.leaks.get(folder)?.split(' ')[0] ?? '/'];
  const answers = await truthOf(site, urls);
  const leaking = [...answers].flatMap(([folder, { leak }]) =>
    leak === undefined ? [] : [folder],
  );
  expect(leaking).toEqual([...site.leaks.keys()]);
});
