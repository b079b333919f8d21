import { cpus, release, totalmem, type } from 'node:os';
import type { Tool } from '../test/harness/find-on-path.ts';
import { loadPackage } from '../test/harness/packages.ts';
import { tryRun } from '../test/harness/run.ts';
import { ensureTools, findTool } from '../test/harness/tools.ts';

/** Describes the machine. Results differ on another one. */
export async function machine(): Promise<Record<string, string>> {
  const tools = await ensureTools(['nginx', 'redis-server', 'wrk']);
  const cores = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: `${cores.length} × ${cores[0]?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${type()} ${release()}`,
    node: process.versions.node,
    nginx: await version(tools.nginx, '-v', /nginx\/([\d.]+)/),
    redis: await version(tools['redis-server'], '--version', /v=([\d.]+)/),
    ...(await findTool('python3-django').then(pythons, () => ({}))),
    express: (await loadPackage<{ version: string }>('bench', 'express/package.json')).version,
    wrk: await version(tools.wrk, '-v', /wrk (?:debian\/)?([\d.]+)/), // exits with 1
  };
}

async function pythons({ path, env }: Tool): Promise<Record<string, string>> {
  const script =
    'import sys, django, gunicorn; print(sys.version.split()[0], django.__version__, gunicorn.__version__)';
  const { output } = await tryRun(path, ['-c', script], env);
  const [python = '', django = '', gunicorn = ''] = output.trim().split(' ');
  return { python, django, gunicorn };
}

async function version(tool: Tool, flag: string, pattern: RegExp): Promise<string> {
  const { output } = await tryRun(tool.path, [flag], tool.env);
  return pattern.exec(output)?.[1] ?? 'unknown';
}
