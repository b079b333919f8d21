import { randomBytes } from 'node:crypto';
import { delimiter, join } from 'node:path';
import { libraryPath } from '../../../test/harness/debian/library-path.ts';
import {
  canFetch,
  fetchPackages,
  findUnpacked,
  unpackedAt,
} from '../../../test/harness/debian/packages.ts';
import type { Tool } from '../../../test/harness/find-on-path.ts';
import { projectRoot } from '../../../test/harness/paths.ts';
import { ask, startRedis } from '../../../test/harness/redis.ts';
import { findTool } from '../../../test/harness/tools.ts';
import { EXPIRES_IN, NAME, type Variant } from '../../backend.ts';

const PACKAGE = 'libnginx-mod-http-lua';
const NDK = 'libnginx-mod-http-ndk';
const LIBRARIES = ['lua-resty-core', 'lua-resty-lrucache', 'libluajit-5.1-2'];

/** All are named: an unnamed dependency is not downloaded if the system has it. */
const PACKAGES = [PACKAGE, NDK, ...LIBRARIES];

const moduleOf = (packageName: string, file: string) =>
  join(unpackedAt(packageName), 'usr/lib/nginx/modules', file);

const luaPath = LIBRARIES.map((name) => join(unpackedAt(name), 'usr/share/lua/5.1/?.lua')).join(
  ';',
);

/** A gate without a service: Lua in nginx reads the token's path from Redis. */
export const LUA: Variant = {
  id: 'lua',
  title: 'Lua + Redis inside nginx',
  prepare: nginxForLua,
  start: async ({ files }) => {
    const tool = await nginxForLua();
    const redis = await startRedis();
    const token = randomBytes(24).toString('base64url');
    const granted = `/download/${NAME}`;
    await ask(redis.port, `SET token:${token} ${granted} EX ${EXPIRES_IN}`);
    const path = `${granted}?token=${token}`;
    const gate = join(projectRoot, 'bench/peers/lua/gate.lua');
    return {
      site: {
        tool,
        main: `
          load_module "${moduleOf(NDK, 'ndk_http_module.so')}";
          load_module "${moduleOf(PACKAGE, 'ngx_http_lua_module.so')}";`,
        http: `lua_package_path "${luaPath};;";`,
        server: `
          location /download/ {
            set $bench_redis_port ${redis.port};
            access_by_lua_file "${gate}";
          }
          location /protected/ { internal; alias ${files}/; }`,
      },
      path,
      refused: granted,
      processes: { redis: redis.pid },
      stop: redis.stop,
    };
  },
};

/** The nginx that the module was built for. It is unpacked with the module, unless Debian's nginx is installed. */
async function nginxForLua(): Promise<Tool> {
  if (!canFetch()) throw new Error(`Debian's ${PACKAGE} is needed`);
  await fetchPackages(PACKAGES);
  const tool = findUnpacked(PACKAGE, 'nginx') ?? (await findTool('nginx'));
  const libraries = PACKAGES.map((name) => libraryPath(unpackedAt(name), '')).filter(Boolean);
  return { path: tool.path, env: { ...tool.env, LD_LIBRARY_PATH: libraries.join(delimiter) } };
}
