import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tool } from '../../harness/find-on-path.ts';
import { installPackages } from '../../harness/packages.ts';
import { projectRoot } from '../../harness/paths.ts';
import { freePorts } from '../../harness/ports.ts';
import { launch } from '../../harness/process.ts';
import { forTest } from '../for-test.ts';

export interface Application {
  /** The files of the application, by name: the recipe, and what it leaves to the reader. */
  readonly files: Readonly<Record<string, string>>;
  readonly tool: Tool;
  /** `$port` is a free port. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** From dev/packages/frameworks/. */
  readonly frameworks?: readonly string[];
  /** The folder of Postern's package. Default: this project, whose build has no types. */
  readonly packed?: string;
}

/** Starts an application in its folder. Returns a browser that keeps its cookies. */
export async function startApplication(folder: string, application: Application) {
  const { files, tool, args, env, frameworks = [], packed = projectRoot } = application;
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  // The client as it is built, and the frameworks.
  const modules = join(folder, 'node_modules');
  await mkdir(modules, { recursive: true });
  await symlink(packed, join(modules, 'postern'));
  const apps = await installPackages('bench');
  for (const [from, names] of [
    [apps, ['express', 'express-session']],
    [projectRoot, ['hono', '@hono', '@types']],
    [frameworks.length > 0 ? await installPackages('frameworks') : '', frameworks],
  ] as const) {
    for (const name of names) await symlink(join(from, 'node_modules', name), join(modules, name));
  }
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const running = await forTest(
    launch({
      name: 'the application',
      path: tool.path,
      args: args.map((arg) => arg.replace('$port', String(port))),
      env: { PATH: process.env.PATH, HOME: folder, PORT: String(port), ...tool.env, ...env },
      cwd: folder,
    }),
  );
  const isUp = () => fetch(url).then(Boolean, () => false);
  // Go compiles its standard library first.
  await running.ready(isUp, { what: 'the application to listen', deadline: 240_000 });

  let cookies = '';
  async function visit(path: string, { method = 'GET' } = {}): Promise<Response> {
    const response = await fetch(url + path, {
      redirect: 'manual',
      method,
      headers: { cookie: cookies },
    });
    const set = response.headers.getSetCookie().map((cookie) => cookie.split(';', 1)[0]);
    if (set.length > 0) cookies = set.join('; ');
    return response;
  }
  return Object.assign(visit, { stderr: running.stderr });
}
