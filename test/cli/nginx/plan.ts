import { withErrors } from '../../../cli/config.ts';
import { renderFiles, renderText } from '../../../cli/nginx/files.ts';
import type { NginxOptions } from '../../../cli/nginx/plan.ts';
import { planOf } from '../../../cli/nginx/plan.ts';
import type { Mount } from '../../../service/domain/mount.ts';
import { mount } from '../../support/postern.ts';

export const USUAL: NginxOptions = {
  files: ['/srv/files'],
  proxyTarget: [],
  resolver: [],
  listen: ['80'],
  serverName: [],
  upstream: [],
  cors: [],
  log: 'json',
  logFile: '/var/log/nginx/access.log',
};

export const MOUNTS: readonly Mount[] = [mount('/download/', '/protected/')];

const LISTEN = { host: '127.0.0.1', port: 7300 };

function plan(options: Partial<NginxOptions>, mounts: readonly Mount[]) {
  const asked = { ...USUAL, ...options };
  return withErrors('no files were written', (errors) =>
    planOf(asked, { mounts, listen: LISTEN }, errors),
  );
}

/** What `postern nginx` prints. */
export function printed(options: Partial<NginxOptions>, mounts = MOUNTS, line = 'postern nginx') {
  return renderText(plan(options, mounts), line);
}

/** What `postern nginx --out` writes. */
export function written(options: Partial<NginxOptions>, mounts = MOUNTS) {
  return renderFiles(plan(options, mounts), 'postern nginx');
}
