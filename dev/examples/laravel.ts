import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tool } from '../../test/harness/find-on-path.ts';
import { projectRoot } from '../../test/harness/paths.ts';
import { launch } from '../../test/harness/process.ts';
import { tryRun } from '../../test/harness/run.ts';
import { findTool } from '../../test/harness/tools.ts';
import { type Example, type Place, writePem } from './site.ts';

const PACKAGE = join(projectRoot, 'integrations', 'laravel');

/** The example of integrations/laravel/. */
export function laravel(tokens: 'signed' | 'issued' = 'signed'): Example {
  return {
    login: 'anyone, without a password',

    async writeKeys(folder) {
      await install(join(folder, 'app'));
      const printed = await artisan({ folder, tokens }, 'postern:issuer');
      await writeFile(join(folder, 'public.json'), printed.split('\n')[1] ?? '');
    },

    async start({ port, folder, env }) {
      await artisan({ folder, tokens }, 'migrate', '--force');
      const php = await findLaravelApp({ folder, tokens, env });
      return launch({
        name: 'Laravel',
        path: php.path,
        args: ['-S', `127.0.0.1:${port}`, '-t', 'public'],
        env: { PATH: process.env.PATH, ...php.env },
        cwd: join(folder, 'app'),
      });
    },
  };
}

type LaravelOptions = Pick<Place, 'folder'> & Partial<Pick<Place, 'env'>> & { tokens: string };

/** PHP for the application in `app/` of the folder. */
export async function findLaravelApp({ folder, tokens, env }: LaravelOptions): Promise<Tool> {
  const php = await findTool('laravel');
  const own = {
    APP_KEY: `base64:${Buffer.alloc(32).toString('base64')}`,
    EXAMPLE_FILES: join(folder, 'files'),
    POSTERN_TOKENS: tokens,
    POSTERN_ISSUER: 'https://shop.example',
    POSTERN_AUDIENCE: 'urn:postern:download',
  };
  return { path: php.path, env: { ...php.env, ...own, ...env } };
}

/** The output of a command of the application. */
export async function artisan(options: LaravelOptions, ...args: string[]): Promise<string> {
  const php = await findLaravelApp(options);
  const program = join(options.folder, 'app', 'artisan');
  const { ok, output } = await tryRun(php.path, [program, ...args], php.env);
  if (!ok) throw new Error(output);
  return output;
}

/** A copy of the example, with a key, and with what Composer would write for Debian's packages. */
async function install(app: string): Promise<void> {
  await cp(join(PACKAGE, 'example'), app, { recursive: true });
  await mkdir(join(app, 'vendor', 'composer'), { recursive: true });
  await writePem(join(app, 'storage', 'postern.key'));
  const own = JSON.parse(await readFile(join(PACKAGE, 'composer.json'), 'utf8'));
  const installed = join(app, 'vendor', 'composer', 'installed.json');
  await writeFile(installed, JSON.stringify({ packages: [own] }));
  await writeFile(join(app, 'vendor', 'autoload.php'), autoload(app));
}

/** PHP's include path has Debian's packages. */
const autoload = (app: string) => `<?php

require 'Illuminate/autoload.php';
require 'GuzzleHttp/autoload.php';
require 'Lcobucci/JWT/autoload.php';

spl_autoload_register(function (string $class) {
    foreach (['Postern/Laravel/' => ${literal(join(PACKAGE, 'src/'))}, 'App/' => ${literal(join(app, 'app/'))}] as $prefix => $folder) {
        $file = strtr($class, '\\\\', '/');
        if (str_starts_with($file, $prefix)) {
            require $folder.substr($file, strlen($prefix)).'.php';
        }
    }
});
`;

/** A string of PHP. */
function literal(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
