import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installPackages } from '../../../test/harness/packages.ts';
import { projectRoot } from '../../../test/harness/paths.ts';
import { freePorts } from '../../../test/harness/ports.ts';
import { launch } from '../../../test/harness/process.ts';
import { KEEPALIVE, type Variant } from '../../backend.ts';
import { startApplication } from '../application.ts';

export const EXPRESS: Variant = {
  id: 'express',
  title: 'Express, streaming',
  prepare: () => installPackages('apps'),
  start: (wanted) =>
    startApplication(async (env) => {
      const [port = 0] = await freePorts(1);
      // Beside its packages.
      const program = join(await installPackages('apps'), 'server.js');
      await copyFile(join(projectRoot, 'bench', 'peers', 'express', 'server.js'), program);
      const running = await launch({
        name: 'express',
        path: process.execPath,
        args: [program],
        env: {
          PATH: process.env.PATH,
          NODE_ENV: 'production',
          PORT: String(port),
          BENCH_STREAM_FROM: wanted.files,
          ...env,
        },
      });
      return { running, where: { port }, site: site(port) };
    }, wanted),
};

const site = (port: number) => ({
  http: `upstream app { server 127.0.0.1:${port}; keepalive ${KEEPALIVE}; }`,
  server: `
    location / {
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      # Do not buffer streamed files on disk.
      proxy_max_temp_file_size 0;
      proxy_pass http://app;
    }`,
});
