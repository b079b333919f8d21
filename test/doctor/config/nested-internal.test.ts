import { expect, test } from 'vitest';
import { mount } from '../../support/postern.ts';
import { diagnosed } from './trap.ts';

/** A server block with public and internal locations. */
function server(publics: readonly string[], internals: readonly string[]): string {
  const gates = publics.map(
    (path) =>
      `location ^~ ${path} { auth_request /.postern/auth-request; try_files "" @postern_deliver; }`,
  );
  const files = internals.map((path) => `location ^~ ${path} { internal; alias /srv${path}; }`);
  return `server {
    location = /.postern/auth-request { internal; proxy_pass http://postern/auth-request; }
    ${[...gates, ...files].join('\n')}
  }`;
}

function found(servers: readonly string[], mounts?: Parameters<typeof diagnosed>[1]) {
  return diagnosed(`http { ${servers.join('\n')} }`, mounts)
    .filter(({ rule }) => rule === 'nested-internal')
    .map(({ seen }) => seen);
}

const PUBLICS = ['/download/', '/vip/'];
const INTERNALS = ['/protected/', '/protected/vip/'];

test('doctor: an internal location below that of another public location is reported', () => {
  expect(found([server(PUBLICS, INTERNALS)])).toEqual([
    'location ^~ /protected/vip/ is below location ^~ /protected/',
  ]);
});

test.each([
  ['below another one, with one public location', [server(['/download/'], INTERNALS)]],
  [
    'nested like the public locations',
    [server(['/download/', '/vip/', '/download/vip/'], INTERNALS)],
  ],
  ['beside another one', [server(PUBLICS, ['/protected/', '/protected-vip/'])]],
  [
    'below one of another server block',
    [server(PUBLICS, ['/protected/']), server(PUBLICS, ['/protected/vip/'])],
  ],
])('doctor: an internal location %s is not reported', (_, servers) => {
  expect(found(servers)).toEqual([]);
});

test('doctor: if the mounts are known, nested internal locations are not reported', () => {
  const mounts = [mount('/download/', '/protected/'), mount('/vip/', '/protected/vip/')];
  expect(found([server(PUBLICS, INTERNALS)], mounts)).toEqual([]);
});
