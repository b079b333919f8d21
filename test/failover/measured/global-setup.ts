import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { type Row, replaceTables, tables } from './table.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A folder for the rows of the table, a file for each. */
    failoverRows: string;
  }
}

/** Collects the rows of all workers, and prints one table at the end. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-failover-'));
  provide('failoverRows', folder);
  return async () => {
    // Sentinel first, and servers before the network.
    const names = (await readdir(folder)).sort().reverse();
    const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
    await rm(folder, { recursive: true });
    const runs = texts.map((text): { measuredOn: string; rows: Row[] } => JSON.parse(text));
    const [first] = runs;
    if (first === undefined) return;
    const text = `${first.measuredOn}\n\n${tables(runs.flatMap(({ rows }) => rows))}`;
    process.stdout.write(`\n${text}\n`);
    const page = process.env.FAILOVER_PAGE;
    if (page) await writeFile(page, replaceTables(await readFile(page, 'utf8'), text));
  };
}
