import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../harness/paths.ts';

interface Boundary {
  /** A part of the project. For a file, the longest entry that its path starts with applies. */
  readonly part: string;
  /** Parts that it may import besides itself. */
  readonly imports: readonly string[];
  /** Packages it may import. `node:` stands for each module of Node.js. */
  readonly packages: readonly string[];
  readonly why: string;
}

const SITE = 'service/site/';
const TOKEN = 'service/token/';
const DECIDE = 'service/decide/';
const EVENT = 'service/webhooks/event.ts';
const STORE_URL = 'service/store/connection/url.ts';
const SHARED = ['service/problem.ts', 'service/field-schemas.ts'];
const COALESCE = 'service/coalesce.ts';
const RATE_LIMIT = 'service/rate-limit.ts';
const PIECES = 'service/pieces.ts';
const PAGES = 'service/pages/';

/** Imports go one way: cli → main → gate | api → decide → token → site; store | jwt → token; cli → doctor → common. */
const boundaries: readonly Boundary[] = [
  {
    part: SITE,
    imports: [],
    // Of node:net only isIP.
    packages: ['node:net'],
    why: 'Paths, mounts and addresses depend on no token.',
  },
  {
    part: TOKEN,
    imports: [SITE, PIECES],
    packages: ['node:crypto'],
    why: 'A token depends on no framework, store or clock.',
  },
  {
    part: DECIDE,
    imports: [SITE, TOKEN],
    packages: ['node:crypto'],
    why: 'A decision depends on no framework, store or clock.',
  },
  {
    part: 'service/store/',
    imports: [SITE, TOKEN, EVENT, COALESCE, PIECES],
    packages: ['cluster-key-slot', 'ioredis', 'pino', 'node:'],
    why: 'The store keeps grants. It uses neither HTTP nor the configuration.',
  },
  {
    part: 'service/jwt/',
    imports: [SITE, TOKEN, ...SHARED],
    packages: ['jose', 'zod', 'node:'],
    why: 'JWTs are verified and signed without HTTP and without the store.',
  },
  {
    part: 'service/s3/',
    imports: [SITE],
    packages: ['node:crypto'],
    why: 'A signature depends only on the request and the time. A mount gets the function as an argument.',
  },
  {
    part: 'service/webhooks/',
    imports: [SITE, TOKEN, COALESCE, RATE_LIMIT],
    packages: ['pino', 'node:'],
    why: 'Events get their store and their metrics as arguments.',
  },
  {
    part: 'service/metrics/',
    imports: [TOKEN, DECIDE],
    packages: ['prom-client', 'node:'],
    why: 'Only metrics have labels. They wrap other functions to measure them.',
  },
  {
    part: 'service/config/',
    imports: [SITE, TOKEN, DECIDE, EVENT, STORE_URL, PAGES],
    packages: ['leven', 'yaml', 'zod', 'node:'],
    why: 'The configuration is only read and checked. It starts no server and no connection.',
  },
  {
    part: 'service/gate/',
    imports: [SITE, TOKEN, DECIDE, EVENT, ...SHARED, PAGES, 'service/metrics/'],
    packages: ['pino', 'content-disposition', 'node:'],
    why: 'The gate gets the decision as an argument. It imports neither a store nor the API.',
  },
  {
    part: PAGES,
    imports: [RATE_LIMIT],
    packages: ['hono', 'node:crypto', 'node:http'],
    why: 'A page is made from a code, a name and a time. It knows no decision.',
  },
  {
    part: 'service/pages/browser/',
    imports: ['service/pages/texts.ts'],
    packages: ['client-zip'],
    why: 'The script of a list runs in the browser. Of texts.ts it has only the types.',
  },
  {
    part: 'service/api/',
    imports: [SITE, TOKEN, EVENT, ...SHARED, RATE_LIMIT, PIECES],
    packages: ['hono', 'zod', 'pino', 'node:'],
    why: 'The API gets its functions as arguments. It imports neither a store nor the gate.',
  },
  {
    part: 'service/delivery/',
    imports: [SITE, TOKEN, EVENT, COALESCE, RATE_LIMIT, PIECES],
    packages: ['pino'],
    why: 'Lines of nginx are collected without sockets. They change counters, not decisions.',
  },
  {
    part: STORE_URL,
    imports: [],
    packages: ['node:net'],
    why: 'The syntax of a store URL, which the configuration checks and the store uses.',
  },
  { part: COALESCE, imports: [], packages: [], why: 'It makes many calls into few, for any part.' },
  {
    part: RATE_LIMIT,
    imports: [],
    packages: [],
    why: 'It counts calls in a second, for any part.',
  },
  { part: PIECES, imports: [], packages: [], why: 'It divides long work, for any part.' },
  {
    part: 'service/field-schemas.ts',
    imports: [TOKEN],
    packages: ['zod'],
    why: 'The schemas of the grant fields, for requests and claims.',
  },
  {
    part: 'service/',
    imports: ['service/'],
    packages: ['pino', '@hono/node-server', 'node:'],
    why: 'main.ts connects the parts. The service runs without cli/, doctor/, dev/ and test/.',
  },
  {
    part: 'cli/',
    imports: [
      ...['common/', 'doctor/', 'service/config/', SITE, TOKEN, 'service/jwt/', 'service/s3/'],
      'service/main.ts',
    ],
    packages: ['commander', 'jose', 'node:'],
    why: 'A command reads the configuration, works on files, asks the API or starts main.ts.',
  },
  {
    part: 'doctor/',
    imports: ['common/', 'service/config/', SITE, TOKEN, 'service/s3/'],
    packages: ['commander', 'node:'],
    why: 'The doctor is a separate product. It imports no other command, and starts no service.',
  },
  {
    part: 'common/',
    imports: ['client/', 'service/config/', SITE],
    packages: ['commander', 'node:'],
    why: 'What each command needs: errors, the terminal, the configuration, the API.',
  },
  {
    part: 'client/',
    imports: [],
    packages: [],
    why: 'The client runs everywhere, without the service. Only its types come from the service.',
  },
  {
    part: 'client/types.ts',
    imports: ['service/token/grant-fields.ts', 'service/api/schema.ts'],
    packages: [],
    why: 'It has only types, which the published package contains as text.',
  },
  { part: 'client/sign.ts', imports: ['client/'], packages: ['jose'], why: 'Signing uses jose.' },
  {
    part: 'client/hono.ts',
    imports: ['client/'],
    packages: ['hono'],
    why: 'The middleware uses the types of Hono.',
  },
  {
    part: 'test/harness/',
    imports: ['common/package.ts'],
    packages: ['node:'],
    why: 'Tests, the benchmark and the demo import the harness. It imports no test.',
  },
  {
    part: 'dev/',
    imports: ['service/', 'cli/', 'test/harness/'],
    packages: [
      ...['node:', 'hono', '@hono/node-server', 'yaml', 'commander'],
      ...['rolldown', 'zod'],
    ],
    why: 'dev/ builds the packages and has the demo. It imports no test.',
  },
  {
    part: 'bench/failover/',
    imports: ['test/'],
    packages: ['node:', 'vitest'],
    why: 'The measurement of failovers starts servers as the tests do.',
  },
  {
    part: 'bench/',
    imports: ['test/harness/'],
    packages: ['node:', 'ioredis'],
    why: 'The benchmark compares the built service with others.',
  },
];

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
    return { file, target: isBuiltin ? `node:${name}` : `package:${external}` };
  });
}

/** What forbids an import; undefined if nothing does. */
function violation({ file, target }: Import): string | undefined {
  const boundary = boundaries
    .filter(({ part }) => file.startsWith(part))
    .sort((a, b) => b.part.length - a.part.length)[0];
  if (boundary === undefined) return undefined;
  const { part, imports, packages, why } = boundary;
  if (/^(?:node|package):/.test(target)) {
    const name = target.replace(/^package:/, '');
    const allowed = packages.some((entry) =>
      entry === 'node:' ? name.startsWith('node:') : entry === name,
    );
    return allowed ? undefined : `${file} may not import ${name}. ${why}`;
  }
  const inside = [part, ...imports].some((prefix) => target.startsWith(prefix));
  return inside || target === 'package.json'
    ? undefined
    : `${file} may not import ${target}. ${why}`;
}

const sources = (...patterns: string[]) =>
  execFileSync('git', ['ls-files', '-co', '--exclude-standard', '--', ...patterns], {
    cwd: projectRoot,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((file) => file.endsWith('.ts'));
const textOf = (file: string) => readFileSync(join(projectRoot, file), 'utf8');

describe('boundaries: a file imports only what its part of the project may use', () => {
  const files = sources('*.ts').filter((file) =>
    boundaries.some(({ part }) => file.startsWith(part)),
  );

  test('each import between the parts of the project is allowed', () => {
    const found = files.flatMap((file) => importsOf(file, textOf(file)));
    expect(found.length).toBeGreaterThan(500);
    expect(found.map(violation).filter((message) => message !== undefined)).toEqual([]);
  });

  test.each([
    ['service/decide/a.ts', "import 'node:fs'", 'depends on no framework'],
    ['service/token/a.ts', "import type {} from 'pino'", 'depends on no framework'],
    ['service/token/a.ts', "import '../decide/scope.ts'", 'depends on no framework'],
    ['service/gate/gate.ts', "await import('../store/open.ts')", 'neither a store'],
    ['service/api/a.ts', "import { x } from '../config/config.ts'", 'neither a store'],
    [
      'service/process/listen.ts',
      "import '../../test/harness/ports.ts'",
      'runs without cli/, doctor/',
    ],
    ['doctor/a.ts', "import '../cli/program.ts'", 'a separate product'],
    ['client/a.ts', "import 'node:http'", 'runs everywhere'],
    ['client/a.ts', "import type { A } from '../service/problem.ts'", 'without the service'],
    ['dev/a.ts', "import 'vitest'", 'imports no test'],
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
