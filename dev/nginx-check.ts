import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Config, completeConfig, nginxArgs, nginxFolder } from './nginx-conf.ts';
import { freePorts } from './ports.ts';
import { type Ran, tryRun } from './run.ts';
import { findTool } from './tools.ts';

/** `nginx -t`: nothing starts. Accepts what startNginx accepts, or the finished text. */
export async function testNginx(config: string | Config, count = 1): Promise<Ran> {
  const tool = await findTool('nginx');
  const dir = await nginxFolder();
  try {
    const ports = await freePorts(count);
    const [port = 0] = ports;
    const text = typeof config === 'string' ? config : config({ port, ports, dir });
    await writeFile(join(dir, 'nginx.conf'), completeConfig(text, dir));
    return await tryRun(tool.path, ['-t', ...nginxArgs(dir)], tool.env);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
