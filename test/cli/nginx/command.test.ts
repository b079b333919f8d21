import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot, textOf } from '../../harness/paths.ts';
import {
  directives,
  type Env,
  FILES,
  inFolder,
  inlined,
  parseNginx,
  USUAL,
} from '../../support/cli/machine.ts';

const { done, refused } = inFolder();

/** The server blocks, by their name: the locations with what is in them. */
async function sites(words: readonly string[], env: Env = USUAL) {
  const { files } = JSON.parse(await done([...words, '--server', '--json'], env));
  const text = inlined(new Map(Object.entries(files)));
  return directives(parseNginx(text), 'server')
    .filter(({ block }) => block !== undefined)
    .map(({ block = [] }) => {
      const name = block.find(({ words }) => words[0] === 'server_name')?.words[1];
      const locations = block
        .filter(({ words }) => words[0] === 'location')
        .map(({ words, block: inner = [] }) => [words.at(-1), inner.at(-1)?.words.at(-1)]);
      return [name, Object.fromEntries(locations)];
    });
}

/** The file without the comments at the top. */
const LEAST = `
include postern/http.conf;

# Your settings, after the others: nginx uses the last map with a name. This file is never replaced.
include postern/local.conf;

upstream postern {
    server unix:/run/postern/gate.sock;
    # Without it, each request opens a new connection.
    keepalive 256;
}
`;
const LEAST_SITE = `
access_log /var/log/nginx/access.log postern;
include postern/auth-request.conf;

location ^~ /download/ {
    include postern/protect.conf;
}

location ^~ /protected/ {
    include postern/internal.conf;
    alias /srv/files/;
}
`;

describe('nginx: standard output', () => {
  test('is a file for the http block and one for the server block, for one mount', async () => {
    const { files } = JSON.parse(await done([...FILES, '--json']));
    const body = (name: string) => files[name].slice(files[name].indexOf('\n\n') + 1);
    expect(body('conf.d/00-postern.conf')).toBe(LEAST);
    expect(body('postern/sites/_.conf')).toBe(LEAST_SITE);
    const printed = await done(FILES);
    for (const name of ['conf.d/00-postern.conf', 'postern/sites/_.conf']) {
      expect(printed).toContain(`# File ${name}\n#\n${files[name]}`);
    }
    expect(Object.keys(files).filter((name) => name.startsWith('conf.d/'))).toHaveLength(1);
  });

  test('--server: a server block with TLS, HTTP/2 and all names, and a redirect', async () => {
    const tls = ['--tls-certificate', '/etc/ssl/a.pem', '--tls-key', '/etc/ssl/a.key'];
    const name = ['--server-name', 'files.example,www.files.example'];
    const blocks = async (...words: string[]) => {
      const all = [...FILES, '--server', ...tls, ...name, ...words, '--json'];
      const { files } = JSON.parse(await done(all));
      return directives(parseNginx(files['conf.d/postern-files.example.conf']), 'server').map(
        ({ block = [] }) => block.map(({ words: line }) => line.join(' ')),
      );
    };
    const [main, redirect] = await blocks('--listen', '443', '--listen', '[::]:443');
    expect(main).toEqual([
      ...['listen 443 ssl http2', 'listen [::]:443 ssl http2'],
      ...['server_name files.example www.files.example', 'ssl_certificate /etc/ssl/a.pem'],
      ...['ssl_certificate_key /etc/ssl/a.key', 'include postern/sites/files.example.conf'],
    ]);
    expect(redirect).toEqual([
      ...['listen 80', 'listen [::]:80', 'server_name files.example www.files.example'],
      ...['access_log /var/log/nginx/access.log postern', 'return 301 https://$host$request_uri'],
    ]);
    expect(await blocks()).toHaveLength(2);
    expect(await blocks('--listen', '8443')).toHaveLength(1);
  });

  test('has one server block for any name, or one for each site', async () => {
    const protect = 'postern/protect.conf';
    expect(await sites(FILES)).toEqual([
      ['_', { '/download/': protect, '/protected/': '/srv/files/' }],
    ]);
    const env = {
      POSTERN_MOUNTS:
        '/download/=/protected/,Media.example:/media/=/films/,files.example:/download/=/protected/',
    };
    const words = ['--files', '/protected/=/srv/a', '--files', 'media.example:/protected/=/srv/b'];
    const more = ['--files', '/films/=/srv/films', '--server-name', 'other.example'];
    const other = ['--files', 'other.example:/protected/=/srv/c'];
    expect(await sites([...words, ...more, ...other], env)).toEqual([
      ['other.example', { '/download/': protect, '/protected/': '/srv/c/' }],
      [
        'media.example',
        {
          '/download/': protect,
          '/media/': protect,
          '/protected/': '/srv/b/',
          '/films/': '/srv/films/',
        },
      ],
      ['files.example', { '/download/': protect, '/protected/': '/srv/a/' }],
    ]);
  });

  test('contains the version, the command line and the folder of the snippets', async () => {
    const env = { ...USUAL, POSTERN_PUBLIC_URL: 'https://files.example' };
    const text = await done([...FILES, '--cache', '--login', '/sign-in?to='], env);
    const { version } = JSON.parse(textOf('package.json'));
    expect(text).toContain(`# Generated by postern ${version}:`);
    expect(text).toContain(
      "#     POSTERN_MOUNTS=/download/=/protected/ POSTERN_PUBLIC_URL=https://files.example postern nginx --files /srv/files --cache --login '/sign-in?to='\n",
    );
    expect(text).toContain(`#     ${join(projectRoot, 'nginx', 'snippets')}\n`);
    // The map contains the public URL only if the login is on another host.
    expect(text).toContain('default "/sign-in?to=$postern_return";');
  });

  test('the upstream is POSTERN_LISTEN, or the gates of --upstream', async () => {
    const upstreams = async (words: readonly string[], env: Env) => {
      const [upstream] = directives(parseNginx(await done(words, env)), 'upstream');
      return upstream?.block?.map(({ words: line }) => line.join(' '));
    };
    const at = (listen: string) => upstreams(FILES, { ...USUAL, POSTERN_LISTEN: listen });
    const servers = (...addresses: string[]) => [
      ...addresses.map((address) => `server ${address} max_fails=3 fail_timeout=1s`),
      'keepalive 256',
    ];
    expect(await at('0.0.0.0:7400')).toEqual(servers('127.0.0.1:7400'));
    expect(await at('[::]:7400')).toEqual(servers('[::1]:7400'));
    expect(await at('unix:/run/gate.sock')).toEqual([
      'server unix:/run/gate.sock',
      'keepalive 256',
    ]);
    const given = (...words: string[]) => upstreams([...FILES, ...words], USUAL);
    expect(await given('--upstream', 'a.example:1', '--upstream', 'unix:/run/b.sock')).toEqual(
      servers('a.example:1', 'unix:/run/b.sock'),
    );
    const hostile = { ...USUAL, POSTERN_LISTEN: 'unix:/run/a;b' };
    expect(await refused(FILES, hostile)).toContain('POSTERN_LISTEN (or --upstream)');
  });

  test('--proxy-target: nginx verifies the certificate', async () => {
    const text = await done(['--proxy-target', 'https://bucket.store.example', '--server']);
    const [, location] = directives(parseNginx(text), 'location');
    expect(location?.block?.map(({ words }) => words.join(' '))).toEqual([
      ...['include postern/internal-proxy.conf', 'proxy_pass https://bucket.store.example/'],
      ...['proxy_ssl_verify on', 'proxy_ssl_verify_depth 4'],
      'proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt',
    ]);
  });
});
