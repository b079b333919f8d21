import { delimiter, join } from 'node:path';
import type { Tool } from '../../test/harness/find-on-path.ts';
import { projectRoot } from '../../test/harness/paths.ts';
import { launch } from '../../test/harness/process.ts';
import { tryRun } from '../../test/harness/run.ts';
import { findTool } from '../../test/harness/tools.ts';
import type { Example, Place } from './site.ts';

const INTEGRATIONS = join(projectRoot, 'integrations');
const EXAMPLE = join(INTEGRATIONS, 'django', 'example');
export const PASSWORD = 'example';

const SERVERS = {
  runserver: (port: number) => [join(EXAMPLE, 'manage.py'), 'runserver', '--noreload', `${port}`],
  uvicorn: (port: number) =>
    `-m uvicorn --factory django.core.asgi:get_asgi_application --port ${port}`.split(' '),
};

/** The example of integrations/django/, with two users. */
export function django(settings = 'settings', server: keyof typeof SERVERS = 'runserver'): Example {
  return {
    login: `ada or bob, password ${PASSWORD}`,
    async start({ port, folder, env: given }) {
      const { path, env } = await findDjango({ folder, settings, env: given });
      const manage = join(EXAMPLE, 'manage.py');
      for (const args of [['migrate'], ...['ada', 'bob'].map(superuser)]) {
        const { ok, output } = await tryRun(path, [manage, ...args], env);
        if (!ok) throw new Error(output);
      }
      return launch({
        name: 'Django',
        path,
        args: SERVERS[server](port),
        env: { PATH: process.env.PATH, ...env },
      });
    },
  };
}

type DjangoOptions = Pick<Place, 'folder'> & Partial<Pick<Place, 'env'>> & { settings: string };

/** A Python with the example and what it needs, as if the packages were installed. */
export async function findDjango({ folder, settings, env = {} }: DjangoOptions): Promise<Tool> {
  const python = await findTool('django-postern');
  const own = [EXAMPLE, ...['python', 'django'].map((name) => join(INTEGRATIONS, name))];
  return {
    path: python.path,
    env: {
      ...python.env,
      ...env,
      // The last one has packages that Debian does not have.
      PYTHONPATH: [...own, folder, python.env.PYTHONPATH, process.env.PYTHONPATH]
        .filter(Boolean)
        .join(delimiter),
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONUTF8: '1',
      EXAMPLE_FOLDER: folder,
      DJANGO_SETTINGS_MODULE: settings,
      DJANGO_SUPERUSER_PASSWORD: PASSWORD,
    },
  };
}

const superuser = (name: string) => [
  'createsuperuser',
  '--noinput',
  `--username=${name}`,
  `--email=${name}@shop.example`,
];
