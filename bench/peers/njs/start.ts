import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot, temporaryFolder } from '../../../test/harness/paths.ts';
import type { Variant } from '../../backend.ts';
import { moduleOf, nginxWith } from '../modules.ts';
import { newPaths } from '../token.ts';

const PACKAGE = 'libnginx-mod-http-js';
const PACKAGES = [PACKAGE, 'libxml2'];

/** A gate without a service and without Redis: njs in nginx, with a shared dictionary. */
export const NJS: Variant = {
  id: 'njs',
  title: 'njs inside nginx, shared dictionary',
  prepare: () => nginxWith(PACKAGES),
  start: async ({ files }) => {
    const tool = await nginxWith(PACKAGES);
    const folder = await temporaryFolder();
    const { token, ...paths } = newPaths();
    await writeFile(join(folder, token), paths.refused);
    return {
      site: {
        tool,
        main: `load_module "${moduleOf(PACKAGE, 'ngx_http_js_module.so')}";`,
        http: `
          js_path "${join(projectRoot, 'bench/peers/njs')}";
          js_import gate.js;
          js_shared_dict_zone zone=tokens:1m timeout=2s;`,
        server: `
          location /download/ { set $bench_tokens "${folder}"; js_content gate.gate; }
          location /protected/ { internal; alias ${files}/; }`,
      },
      ...paths,
      processes: {},
      stop: () => rm(folder, { recursive: true }),
    };
  },
};
