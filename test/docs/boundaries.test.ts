import { execFileSync } from 'node:child_process';
import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot, textOf } from '../harness/paths.ts';

/**
 * A part of the project, the parts and packages that it may import besides itself, and why. For a file, the longest entry
 * that its path starts with applies. `node:` stands for each module of Node.js. Imports go one way: cli → main →
 * gate → decide → token → paths; api | jwt → issue → token; store → token; cli → doctor → common.
 */
const BOUNDARIES = `
service/paths/:
  Paths and mounts depend on no token.
service/address.ts: node:net
  IP addresses and where servers listen, for any part.
service/issue/: service/token/ service/paths/ service/address.ts service/pieces.ts zod
  A request for a token is checked without HTTP. It gets the store and the clock as arguments.
service/token/: service/paths/ service/address.ts node:crypto
  A token depends on no framework, store or clock.
service/decide/: service/paths/ service/address.ts service/token/
  A decision depends on no framework, store or clock.
service/store/: service/token/ service/events/event.ts service/coalesce.ts service/pieces.ts cluster-key-slot ioredis pino node:
  The store keeps grants. It uses neither HTTP nor the configuration.
service/jwt/: service/paths/ service/token/ service/issue/ jose zod node:
  JWTs are verified and signed without HTTP and without the store.
service/s3/: service/paths/ node:crypto
  A signature depends only on the request and the time. A mount gets the function as an argument.
service/events/: service/address.ts service/token/ service/coalesce.ts service/rate-limit.ts pino node:
  Events get their store and their metrics as arguments.
service/metrics/: service/issue/ service/token/ service/decide/ prom-client
  Only metrics have labels. They wrap other functions to measure them.
service/pages/folder.ts: service/pages/texts.ts zod node:
  The files of an operator's folder become texts and pages. They know no setting.
service/config/: service/s3/ service/paths/ service/address.ts service/token/ service/events/event.ts service/store/connection/url.ts service/pages/folder.ts leven yaml zod node:
  The configuration is only read and checked, by the parsers of the other parts. It starts no server and no connection.
service/gate/: service/paths/ service/token/ service/decide/ service/events/event.ts service/problem.ts service/pages/ service/metrics/ pino content-disposition node:
  The gate gets the decision as an argument. It imports neither a store nor the API.
service/pages/: service/rate-limit.ts hono node:crypto
  A page is made from a code, a name and a time. It knows no decision.
service/pages/browser/: service/pages/texts.ts client-zip
  The script of a listing runs in the browser. Of texts.ts it has only the types.
service/api/: service/token/ service/events/event.ts service/problem.ts service/issue/ service/rate-limit.ts service/pieces.ts hono zod pino node:
  The API gets its functions as arguments. It imports neither a store nor the gate.
service/delivery/: service/address.ts service/token/ service/events/event.ts service/coalesce.ts service/rate-limit.ts service/pieces.ts pino
  Lines of nginx are collected without sockets. They change counters, not decisions.
service/store/connection/url.ts: node:net
  The syntax of a store URL, which the configuration checks and the store uses.
service/process/: service/address.ts service/config/ service/coalesce.ts service/jwt/ pino node:
  Sockets, the log, reloads and the end of the process. It knows no token, store or gate.
service/coalesce.ts:
  It makes many calls into few, for any part.
service/rate-limit.ts:
  It counts calls in a second, for any part.
service/pieces.ts:
  It divides long work, for any part.
service/: service/ @hono/node-server node:
  main.ts connects the parts. The service runs without cli/, doctor/, dev/ and test/.
cli/: common/ doctor/ service/config/ service/paths/ service/address.ts service/token/ service/jwt/ service/s3/ service/main.ts commander jose node:
  A command reads the configuration, works on files, asks the API or starts main.ts.
doctor/: common/ service/config/ service/paths/ service/address.ts service/token/ service/s3/ commander node:
  The doctor is a separate product. It imports no other command, and starts no service.
common/: client/ service/config/ service/address.ts commander node:
  What each command needs: errors, the terminal, the configuration, the API.
client/:
  The client runs everywhere, without the service. Only its types come from the service.
client/types.ts: service/token/grant-fields.ts service/api/schema.ts
  It has only types, which the published package contains as text.
client/sign.ts: client/ jose
  Signing uses jose.
client/hono.ts: client/ hono
  The middleware uses the types of Hono.
test/harness/: common/package.ts node:
  Tests, the benchmark and the demo import the harness. It imports no test.
dev/: service/ cli/ test/harness/ node: hono @hono/node-server yaml commander rolldown zod
  dev/ builds the packages and has the demo. It imports no test.
bench/failover/: test/ node: vitest
  The measurement of failovers starts servers as the tests do.
bench/: test/harness/ node: ioredis
  The benchmark compares the built service with others.
`;
const boundaries = [...BOUNDARIES.matchAll(/^(\S+):(.*)\n {2}(.+)$/gm)].map(
  ([, part = '', allowed = '', why]) => ({
    part,
    allowed: [part, ...allowed.split(' ').filter(Boolean)],
    why,
  }),
);

/** Whether an entry of the table allows an import. */
const allows = (one: string, target: string) =>
  /\/$|\.ts$|^node:$/.test(one) ? target.startsWith(one) : target === one;

const IMPORT = /(?:^|[^.\w])(?:import|from)\s*\(?\s*'([\w@.][^'\s]*)'/g;

interface Import {
  readonly file: string;
  readonly target: string;
}

/** Each import of a source file: a path in the project, or a package's name. */
function importsOf(file: string, source: string): Import[] {
  return [...source.matchAll(IMPORT)].map(([, name = '']) => {
    if (name.startsWith('.')) return { file, target: normalize(join(dirname(file), name)) };
    const [scope = '', second] = name.split('/');
    const isBuiltin = builtinModules.includes(scope);
    const external = scope.startsWith('@') ? `${scope}/${second}` : scope;
    return { file, target: isBuiltin ? `node:${name}` : external };
  });
}

const boundaryOf = (file: string) =>
  boundaries
    .filter(({ part }) => file.startsWith(part))
    .sort((a, b) => b.part.length - a.part.length)[0];

/** What forbids an import; undefined if nothing does. */
function violation({ file, target }: Import): string | undefined {
  const boundary = boundaryOf(file);
  if (boundary === undefined) return undefined;
  const { allowed, why } = boundary;
  const isAllowed = [...allowed, 'package.json'].some((one) => allows(one, target));
  return isAllowed ? undefined : `${file} may not import ${target}. ${why}`;
}

const sources = (...patterns: string[]) =>
  execFileSync('git', ['ls-files', '-co', '--exclude-standard', '--', ...patterns], {
    cwd: projectRoot,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((file) => file.endsWith('.ts'));

describe('boundaries: a file imports only what its part of the project may use', () => {
  const files = sources('*.ts').filter((file) =>
    boundaries.some(({ part }) => file.startsWith(part)),
  );

  const found = files.flatMap((file) => importsOf(file, textOf(file)));

  test('each import between the parts of the project is allowed', () => {
    expect(found.length).toBeGreaterThan(500);
    expect(found.map(violation).filter((message) => message !== undefined)).toEqual([]);
  });

  test('each permission is used', () => {
    const unused = boundaries.flatMap(({ part, allowed: [, ...others] }) =>
      others
        .filter(
          (one) =>
            !found.some((each) => boundaryOf(each.file)?.part === part && allows(one, each.target)),
        )
        .map((one) => `${part}: ${one}`),
    );
    expect(unused).toEqual([]);
  });

  test.each([
    ['service/token/a.ts', "import type {} from 'pino'", 'depends on no framework'],
    ['service/gate/gate.ts', "await import('../store/open.ts')", 'neither a store'],
  ])('%s: %s is reported with the reason', (file, code, reason) => {
    const [found] = importsOf(file, code);
    expect(found && violation(found)).toContain(reason);
  });
});

const PARTS = ['service', 'cli', 'doctor', 'common', 'client'];

const DEFINITION =
  /^export (?:declare |abstract |async )*(?:const|let|class|function\*?|interface|type|enum) (\w+)/gm;

test('names: no exported name of service/, cli/, doctor/, common/ and client/ is defined in two files', () => {
  const files = new Map<string, Set<string>>();
  for (const file of sources(...PARTS)) {
    for (const [, name = ''] of textOf(file).matchAll(DEFINITION)) {
      files.set(name, (files.get(name) ?? new Set()).add(file));
    }
  }
  expect(files.size).toBeGreaterThan(500);
  const twice = [...files].filter(([, where]) => where.size > 1);
  expect(twice.map(([name, where]) => `${name}: ${[...where].join(', ')}`)).toEqual([]);
});
