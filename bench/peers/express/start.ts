import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installPackages } from '../../../test/harness/packages.ts';
import { projectRoot, temporaryFolder } from '../../../test/harness/paths.ts';
import { launch } from '../../../test/harness/process.ts';
import { KEEPALIVE, type Variant } from '../../backend.ts';
import { startApplication } from '../application.ts';

export const EXPRESS: Variant = {
  id: 'express',
  title: 'Express, streaming',
  prepare: () => installPackages('bench'),
  start: (wanted) =>
    startApplication(async (env) => {
      const folder = await temporaryFolder();
      const socketPath = join(folder, 'express.sock');
      // Beside its packages.
      const program = join(await installPackages('bench'), 'server.js');
      await copyFile(join(projectRoot, 'bench', 'peers', 'express', 'server.js'), program);
      const running = await launch({
        name: 'express',
        path: process.execPath,
        args: [program],
        env: {
          PATH: process.env.PATH,
          NODE_ENV: 'production',
          BENCH_SOCKET: socketPath,
          BENCH_STREAM_FROM: wanted.files,
          ...env,
        },
        folder,
      });
      return { running, where: { socketPath }, site: site(socketPath) };
    }, wanted),
};

const site = (socket: string) => ({
  http: `upstream app { server unix:${socket}; keepalive ${KEEPALIVE}; }`,
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
