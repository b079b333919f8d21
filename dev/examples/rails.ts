import { cp, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Tool } from '../../test/harness/find-on-path.ts';
import { projectRoot } from '../../test/harness/paths.ts';
import { launch } from '../../test/harness/process.ts';
import { tryRun } from '../../test/harness/run.ts';
import { findTool } from '../../test/harness/tools.ts';
import { type Example, type Place, writePem } from './site.ts';

const PACKAGE = join(projectRoot, 'integrations', 'rails');
const PUMA = 'load Gem.bin_path("puma", "puma")';

/** The example of integrations/rails/. */
export function rails(tokens: 'signed' | 'issued' = 'signed'): Example {
  return {
    login: 'anyone, without a password',

    async writeKeys(folder) {
      await install(join(folder, 'app'));
      const printed = await rake({ folder, tokens: 'signed' }, 'postern:issuer');
      const [, jwks = ''] = /^# .*\n(.*)$/m.exec(printed) ?? [];
      await writeFile(join(folder, 'public.json'), jwks);
    },

    async start({ port, folder, env }) {
      await rake({ folder, tokens: 'signed' }, 'db:schema:load');
      const ruby = await findRailsApp({ folder, tokens, env });
      return launch({
        name: 'Rails',
        path: ruby.path,
        args: ['-e', PUMA, '--', '--bind', `tcp://127.0.0.1:${port}`, 'config.ru'],
        env: { PATH: process.env.PATH, ...ruby.env },
        cwd: join(folder, 'app'),
      });
    },
  };
}

type RailsOptions = Pick<Place, 'folder'> & Partial<Pick<Place, 'env'>> & { tokens: string };

/** Ruby for the application in `app/` of the folder. */
export async function findRailsApp({ folder, tokens, env }: RailsOptions): Promise<Tool> {
  const ruby = await findTool('rails');
  const own = {
    RUBYLIB: [join(PACKAGE, 'lib'), ruby.env.RUBYLIB].join(delimiter),
    RAILS_ENV: 'development',
    SECRET_KEY_BASE: 'only-for-this-example'.repeat(4),
    DATABASE_URL: `sqlite3:${join(folder, 'documents.sqlite')}`,
    EXAMPLE_FILES: join(folder, 'files'),
    POSTERN_TOKENS: tokens,
  };
  return { path: ruby.path, env: { ...ruby.env, ...own, ...env } };
}

/** The output of a Ruby program after it has loaded the application. */
export async function runRails(options: RailsOptions, program: string): Promise<string> {
  const ruby = await findRailsApp(options);
  const app = join(options.folder, 'app', 'app.rb');
  const { ok, output } = await tryRun(ruby.path, ['-r', app, '-e', program], ruby.env);
  if (!ok) throw new Error(output);
  return output;
}

export function rake(options: RailsOptions, task: string): Promise<string> {
  return runRails(options, `Rails.application.load_tasks; Rake::Task["${task}"].invoke`);
}

/** A copy of the example, with a key. Debian's packages have the gems that Bundler would download. */
async function install(app: string): Promise<void> {
  await cp(join(PACKAGE, 'example'), app, { recursive: true });
  await writePem(join(app, 'config', 'postern.key'));
}
