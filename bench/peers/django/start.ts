import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { projectRoot, temporaryFolder } from '../../../test/harness/paths.ts';
import { launch } from '../../../test/harness/process.ts';
import { findTool } from '../../../test/harness/tools.ts';
import type { Variant } from '../../backend.ts';
import { startApplication } from '../application.ts';

/** gunicorn suggests 2 × cores + 1. On two cores, three workers were never slower than five or two. */
const WORKERS = availableParallelism() + 1;

const APPLICATION = 'django.core.wsgi:get_wsgi_application()';

/** gunicorn as its deployment page suggests: synchronous workers behind nginx, on a socket. */
function django(id: string, title: string, streams: boolean): Variant {
  return {
    id,
    title,
    prepare: () => findTool('python3-django'),
    start: (wanted) =>
      startApplication(async (env) => {
        const python = await findTool('python3-django');
        const folder = await temporaryFolder();
        const socket = join(folder, 'gunicorn.sock');
        const running = await launch({
          name: 'gunicorn',
          path: python.path,
          args: ['-m', 'gunicorn', `--workers=${WORKERS}`, `--bind=unix:${socket}`, APPLICATION],
          env: {
            PATH: process.env.PATH,
            PYTHONDONTWRITEBYTECODE: '1',
            DJANGO_SETTINGS_MODULE: 'settings',
            ...python.env,
            ...env,
            ...(streams && { BENCH_STREAM_FROM: wanted.files }),
          },
          cwd: join(projectRoot, 'bench', 'peers', 'django'),
          folder,
        });
        return { running, where: { socketPath: socket }, site: site(socket, wanted.files) };
      }, wanted),
  };
}

const site = (socket: string, files: string) => ({
  http: `upstream app { server unix:${socket} fail_timeout=0; }`,
  server: `
    location / {
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Host $http_host;
      proxy_redirect off;
      # Do not buffer streamed files on disk.
      proxy_max_temp_file_size 0;
      proxy_pass http://app;
    }
    location /protected/ { internal; alias ${files}/; }`,
});

export const DJANGO: readonly Variant[] = [
  django('django', 'Django, gunicorn, X-Accel', false),
  django('django-stream', 'Django, gunicorn, streaming', true),
];
