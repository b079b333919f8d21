import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { diagnoseText } from '../../doctor/config/diagnose.ts';
import { completeConfig, nginxArgs, nginxFolder } from '../harness/nginx-conf.ts';
import { tryRun } from '../harness/run.ts';
import { findTool } from '../harness/tools.ts';

const LOG = 'access_log /var/log/nginx/access.log postern;';
const UPSTREAM = `upstream postern {
  server 127.0.0.1:7300 max_fails=3 fail_timeout=1s;
  keepalive 256;
}`;

/**
 * Adds what an example for the http block leaves out, runs `nginx -T` and gives the rules that the
 * doctor reports. nginx must accept the example without a warning.
 */
export async function diagnosed(example: string): Promise<string[]> {
  const dir = await nginxFolder();
  try {
    const own = [
      example.includes('include postern/http.conf;') ? '' : 'include postern/http.conf;',
      /access_log (?!off)/.test(example) ? '' : LOG,
      example.includes('upstream postern {') ? '' : UPSTREAM,
      example,
    ]
      .join('\n')
      .replace(/listen \d+;/g, 'listen 127.0.0.1:8080;')
      // nginx looks names up, and creates the folders of caches and sockets.
      .replaceAll('s3.eu-central-1.amazonaws.com', '127.0.0.1')
      .replace(
        /\/(?:var\/(?:log|cache)\/nginx|run\/nginx-objects|run(?=\/postern-decisions))\//g,
        `${dir}/`,
      );
    // Tests give nginx a second log, whose format the doctor would report.
    const text = completeConfig(own, dir).replace(`access_log ${dir}/access.log;`, '');
    await writeFile(join(dir, 'nginx.conf'), text);
    const { path, env } = await findTool('nginx');
    const { ok, output } = await tryRun(path, ['-T', ...nginxArgs(dir)], env);
    expect(output).not.toMatch(/^\w+: \[(warn|emerg|crit|error)\]/m);
    expect(ok, output).toBe(true);
    const { findings } = JSON.parse(diagnoseText(output, '-', { json: true }).text);
    return findings.map(({ rule }: { rule: string }) => rule);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
