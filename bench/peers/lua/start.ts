import { join } from 'node:path';
import { unpackedAt } from '../../../test/harness/debian/packages.ts';
import { projectRoot } from '../../../test/harness/paths.ts';
import type { Variant } from '../../backend.ts';
import { moduleOf, nginxWith } from '../modules.ts';
import { redisWithToken } from '../token.ts';

const PACKAGE = 'libnginx-mod-http-lua';
const NDK = 'libnginx-mod-http-ndk';
const LIBRARIES = ['lua-resty-core', 'lua-resty-lrucache', 'libluajit-5.1-2'];
const PACKAGES = [PACKAGE, NDK, ...LIBRARIES];

const luaPath = LIBRARIES.map((name) => join(unpackedAt(name), 'usr/share/lua/5.1/?.lua')).join(
  ';',
);

/** A gate without a service: Lua in nginx reads the token's path from Redis. */
function lua(id: string, title: string, http = ''): Variant {
  return {
    id,
    title,
    prepare: () => nginxWith(PACKAGES),
    start: async ({ files }) => {
      const tool = await nginxWith(PACKAGES);
      const { redis, ...paths } = await redisWithToken();
      return {
        site: {
          tool,
          main: `
            load_module "${moduleOf(NDK, 'ndk_http_module.so')}";
            load_module "${moduleOf(PACKAGE, 'ngx_http_lua_module.so')}";`,
          http: `lua_package_path "${luaPath};;"; ${http}`,
          server: `
            location /download/ {
              set $bench_redis_port ${redis.port};
              access_by_lua_file "${join(projectRoot, 'bench/peers/lua/gate.lua')}";
            }
            location /protected/ { internal; alias ${files}/; }`,
        },
        ...paths,
        processes: { redis: redis.pid },
        stop: redis.stop,
      };
    },
  };
}

export const LUA: readonly Variant[] = [
  lua('lua', 'Lua + Redis inside nginx'),
  lua('lua-cache', 'Lua + Redis, lua_shared_dict', 'lua_shared_dict bench_tokens 1m;'),
];
