import { renderFiles } from '../../../cli/nginx/files.ts';
import type { NginxOptions } from '../../../cli/nginx/plan.ts';
import { planOf } from '../../../cli/nginx/plan.ts';
import { withErrors } from '../../../common/config.ts';
import type { Mount } from '../../../service/site/mount.ts';
import { mount } from '../../support/postern.ts';

export const USUAL: NginxOptions = {
  files: ['/srv/files'],
  proxyTarget: [],
  resolver: [],
  server: true,
  listen: [],
  serverName: [],
  upstream: [],
  cors: [],
};

export const MOUNTS: readonly Mount[] = [mount('/download/', '/protected/')];

const LISTEN = { path: '/run/postern/gate.sock' };

function plan(options: Partial<NginxOptions>, mounts: readonly Mount[]) {
  const asked = { ...USUAL, ...options };
  return withErrors('no files were written', (errors) =>
    planOf(asked, { mounts, listen: LISTEN }, errors),
  );
}

/** What `postern nginx --out` writes. */
export function written(
  options: Partial<NginxOptions>,
  mounts = MOUNTS,
  line = 'postern nginx',
): ReadonlyMap<string, string> {
  return renderFiles(plan(options, mounts), line);
}

/** The generated files as the content of one http block: each site in place of its include. */
export function printed(...given: Parameters<typeof written>): string {
  return inlined(written(...given));
}

export function inlined(files: ReadonlyMap<string, string>): string {
  const text = [...files].flatMap(([name, one]) => (name.startsWith('conf.d/') ? one : []));
  return text
    .join('\n')
    .replace(/include "?(postern\/sites\/[^";]+)"?;/g, (_, name) => files.get(name) ?? '');
}
