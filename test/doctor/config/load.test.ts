import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Directive } from '../../../doctor/config/context.ts';
import { diskFiles, dumpedFiles, load, type Sources } from '../../../doctor/config/load.ts';
import { writeFiles } from '../../support/files.ts';
import { folderForTest } from '../../support/for-test.ts';

const flat = (block: readonly Directive[]): string[] =>
  block.flatMap(({ name, args, file, line, block: inner }) => [
    `${file}:${line} ${[name, ...args].join(' ')}`,
    ...flat(inner ?? []),
  ]);

function dumped(text: string): Sources {
  const sources = dumpedFiles(text);
  if (sources === undefined) throw new Error('no dump');
  return sources;
}

const DUMP = `nginx: the configuration file /etc/nginx/nginx.conf syntax is ok
# configuration file /etc/nginx/nginx.conf:
http {
  include conf.d/*.conf;
  include /etc/nginx/postern/http.conf;
}
# configuration file /etc/nginx/conf.d/a.conf:
server {
  include sites/x;
}

# configuration file /etc/nginx/sites/x:
root /x;
# configuration file /etc/nginx/conf.d/b.conf:

root /b;
# configuration file /etc/nginx/postern/http.conf:
map a b { }
`;

test('load: each file of a dump is included at its place, with its own line numbers', () => {
  const { root, files } = load(dumped(DUMP));
  expect(flat(root)).toEqual([
    ...['/etc/nginx/nginx.conf:1 http', '/etc/nginx/conf.d/a.conf:1 server'],
    ...['/etc/nginx/sites/x:1 root /x', '/etc/nginx/conf.d/b.conf:2 root /b'],
    '/etc/nginx/postern/http.conf:1 map a b',
  ]);
  expect(files).toHaveLength(5);
});

test.each([
  ['a file that the dump lacks', 'a;\ninclude none.conf;', ':2: /etc/nginx/none.conf'],
  ['a file that includes itself', '\ninclude nginx.conf;', ':2: nginx.conf includes itself'],
  ['a block that goes over files', 'http {', ':1: this block is not closed'],
  ['a brace too many', 'a { }\n}', ':2: a "}" without a "{"'],
  ['a quote that is not closed', '\nadd_header a "b;\n', ':2: a quote that is not closed'],
  ['more after a quote', '\nadd_header "a"b;', ':2: an unexpected "b" after a quote'],
  ['no semicolon', 'a b', ':1: a ends without ";"'],
  ['no name', ';', ':1: an unexpected ";"'],
  ['Lua that is not closed', '\nb_by_lua_block { "}" }', undefined],
  [
    'a pattern with a class',
    '\ninclude a/[[:alpha:]]*;',
    ':2: the pattern /etc/nginx/a/[[:alpha:]]* is not',
  ],
  ['a pattern with an escape', 'include a\\.d/*;', ':1: the pattern /etc/nginx/a\\.d/* is not'],
  ['a set', 'include a/[a-z]*;', ':1: the pattern /etc/nginx/a/[a-z]* is not'],
  ['Lua that is not closed either', '\nb_by_lua_block { "}"', ':2: b_by_lua_block is not closed'],
])('load: error: %s', (_, text, says) => {
  const sources = dumped(`# configuration file /etc/nginx/nginx.conf:\n${text}`);
  if (says === undefined) load(sources);
  else expect(() => load(sources)).toThrow(`/etc/nginx/nginx.conf${says}`);
});

test('load: files that each include the next one twice are an error, and do not hang', () => {
  const files = Array.from(
    { length: 30 },
    (_, i) => `# configuration file /a/${i}:\ninclude /a/${i + 1}; include /a/${i + 1};\n`,
  );
  const sources = dumped(`${files.join('')}# configuration file /a/30:\na;\n`);
  expect(() => load(sources)).toThrow('more than');
});

test.each(['*a*a*a*b', '****b'])('load: an include with many stars is rejected: %s', (glob) => {
  const sources = dumped(`# configuration file /etc/nginx/nginx.conf:\ninclude ${glob};\n`);
  expect(() => load(sources)).toThrow(`the pattern /etc/nginx/${glob} is not supported`);
});

test.each(['./conf.d/*.conf', 'conf.d//*.conf', '../nginx/conf.d/?.conf', './conf.d/a.conf'])(
  'load: a dump has the name of a file as it is in the include: %s',
  (glob) => {
    const name = `/etc/nginx/${glob.replace(/[^/]*$/, 'a.conf')}`;
    const dump = `# configuration file /etc/nginx/nginx.conf:\ninclude ${glob};\n`;
    const { root } = load(dumped(`${dump}# configuration file ${name}:\na;\n`));
    expect(flat(root)).toEqual(['/etc/nginx/conf.d/a.conf:1 a']);
  },
);

test('load: a brace in Lua, a comment or quotes does not end a block', () => {
  const text = `# configuration file /n:
access_by_lua_block {
  local a = "}" -- }
  --[[ } ]] local b = [==[ } ]] ]==] local c = { d = '\\'}' }
}
add_header A "}"; # }
map $a $b { default "\${c}}"; ~^(?<d>.)$ e}f; } set $y a\${x}b;
set_by_lua_block $x { return "{" }
last;`;
  expect(flat(load(dumped(text)).root)).toEqual([
    '/n:1 access_by_lua_block',
    '/n:5 add_header A }',
    '/n:6 map $a $b',
    `/n:6 default \${c}}`,
    '/n:6 ~^(?<d>.)$ e}f',
    `/n:6 set $y a\${x}b`,
    '/n:7 set_by_lua_block $x',
    '/n:8 last',
  ]);
});

test('load: an include of a device, which has no end, is not available', () => {
  expect(() => load(diskFiles('/etc/nginx/nginx.conf', 'include /dev/zero;'))).toThrow(
    '/dev/zero is not available',
  );
});

test('load: reads nginx.conf from the disk, with its includes', async () => {
  const dir = await folderForTest();
  await writeFiles(dir, {
    ...{ 'conf.d/b.conf': 'b;', 'conf.d/a.conf': 'include more/c;' },
    ...{ 'conf.d/.d.conf': 'd;', 'more/c': 'c;' },
  });
  const text = `include con?.d/*.conf; include none/*; include ${dir}/more/c;`;
  const { root } = load(diskFiles(join(dir, 'nginx.conf'), text));
  expect(flat(root)).toEqual([
    `${dir}/more/c:1 c`,
    `${dir}/conf.d/b.conf:1 b`,
    `${dir}/more/c:1 c`,
  ]);
});
