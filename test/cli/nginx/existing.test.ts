import { execFile } from 'node:child_process';
import { chmod, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { findOnPath } from '../../harness/find-on-path.ts';
import { freePorts } from '../../harness/ports.ts';
import { tryRun } from '../../harness/run.ts';
import { findTool } from '../../harness/tools.ts';
import { selfSigned } from '../../support/certificate.ts';
import { machine, notes, program, SITE, snapshot, WORDS } from '../../support/cli/machine.ts';
import { program as command } from '../../support/cli/postern.ts';

// `postern nginx --out` beside a configuration that exists, with real nginx to read and test it.

const HTTP = 'conf.d/00-postern.conf';

/** An application behind nginx, with two names. */
const SHOP = `
server {
  listen unix:shop.sock;
  server_name www.files.example files.example;
  access_log shop.log;
  add_header Strict-Transport-Security "max-age=31536000; preload" always;
  add_header X-Content-Type-Options nosniff always;
  location / { proxy_pass http://127.0.0.1:3000; }
  location ~* \\.(jpg|pdf)$ { expires 1d; }
}
server { listen unix:plain.sock; server_name files.example www.files.example; return 301 https://$host$request_uri; }
`;

describe('nginx --out: an existing site', () => {
  test('needs one include, which the notes name, and keeps the headers of the server block', async () => {
    const nginx = await findTool('nginx');
    const { folder, run, read, write } = await machine(SHOP);
    const done = await run(WORDS);
    expect(done.code, done.stderr).toBe(0);
    const at = `${folder}/sites-enabled/shop`;
    expect(notes(done)).toEqual([
      `${at}:5: access_log ${folder}/shop.log applies to URLs of protected files. To fix it: instead of this line: access_log ${folder}/shop.log postern;`,
      expect.stringMatching(`in server \\(${at}:11\\): access_log ${folder}/access.log postern;$`),
      `add this line to the server block of ${at}:2: include ${SITE};`,
    ]);
    const site = await read(SITE);
    expect(site).not.toContain('access_log');
    expect(site).toContain(
      'add_header Strict-Transport-Security "max-age=31536000; preload" always;\n    alias',
    );
    expect(site).not.toContain('nosniff');

    const shop = (await read('sites-enabled/shop'))
      .replace('shop.log;', 'shop.log postern;')
      .replace('plain.sock;', `plain.sock; access_log ${folder}/access.log postern;`)
      .replace('server_name', `include ${SITE};\n  server_name`);
    await write('sites-enabled/shop', shop);
    const words = ['-t', '-e', 'stderr', '-c', `${folder}/nginx.conf`];
    const { ok, output } = await tryRun(nginx.path, words, nginx.env);
    expect([ok, output]).toEqual([true, expect.not.stringContaining('[warn]')]);
    const again = await run([...WORDS, '--force']);
    expect([again.code, notes(again)]).toEqual([0, []]);
  });

  test('--error-pages keeps the error pages, and a second site needs no --force', async () => {
    const pages =
      'error_page 401 404 /login.html; error_page 500 502 /sorry.html; error_page 403 =200 /a.html;';
    const { run, read } = await machine(SHOP.replace('access_log', `${pages} access_log`));
    const done = await run([...WORDS, '--error-pages']);
    expect(done.code, done.stderr).toBe(0);
    expect(await read(SITE)).toContain(
      'error_page 401 /login.html;\n    error_page 500 502 =503 /sorry.html;\n    include postern/protect.conf;',
    );
    const other = await run(['--files', '/srv/files', '--server-name', 'other.example']);
    expect([other.code, other.stderr]).toEqual([0, expect.stringContaining('other.example')]);
  });

  test('a server block without a log gets the log without tokens', async () => {
    const { folder, run, read } = await machine(SHOP.replace('access_log shop.log;', ''));
    const done = await run(WORDS);
    const ours = 'access_log /var/log/nginx/access.log postern;';
    const redirect = expect.stringContaining(
      `in server (${folder}/sites-enabled/shop:11): access_log`,
    );
    expect(notes(done)).toEqual([redirect, expect.stringContaining('add this line')]);
    expect(await read(SITE)).toContain(ours);

    const two = await machine(`
      server { listen unix:a.sock; server_name files.example; access_log shop.log; }
      server { listen unix:b.sock; server_name www.files.example; }
    `);
    expect(await two.run(WORDS)).toMatchObject({ code: 0 });
    expect(await two.read(SITE)).toContain(ours);
  });

  test('names each server block that uses the log of the site', async () => {
    const { folder, run } = await machine(`access_log $folder/all.log;
      server { listen unix:a.sock; server_name files.example www.files.example; access_log $folder/all.log; }
      server { listen unix:b.sock; server_name b.example; }
      server { listen unix:c.sock; server_name c.example; access_log own.log; }
      server { listen unix:d.sock; server_name d.example; access_log $folder/all.log combined; }`);
    const at = `${folder}/sites-enabled/shop`;
    const [, shared] = notes(await run(WORDS));
    expect(shared).toBe(
      `${folder}/all.log gets lines in another format from server (${at}:3), server (${at}:5). For a log without them: --log and another file`,
    );
  });

  const LISTEN = '127.0.0.1:18080';
  test.each([
    ['upstream postern { server 127.0.0.1:1; }', [], 'duplicate upstream "postern" in'],
    [
      `server { listen ${LISTEN}; server_name WWW.files.example; }`,
      ['--server', '--listen', LISTEN],
      'conflicting server name "www.files.example" on',
    ],
  ])('refuses to collide with %s', async (text, words, message) => {
    const { folder, run } = await machine(text);
    const before = await snapshot(folder);
    const { code, stdout, stderr } = await run([...WORDS, ...words, '--force']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
    expect(await snapshot(folder)).toEqual(before);
  });

  test('does not refuse two server blocks that had the same name before', async () => {
    const block = 'server { listen unix:a.sock; server_name files.example; return 403; }';
    const { run } = await machine(`${block} ${block}`);
    expect(await run(WORDS)).toMatchObject({ code: 0 });
  });

  test('restores everything if nginx rejects the new files', async () => {
    // A second log format of the same name.
    const { folder, run, write } = await machine("log_format postern '$status';");
    await write(HTTP, '# earlier');
    await chmod(join(folder, HTTP), 0o640);
    const before = await snapshot(folder);
    const { code, stdout, stderr } = await run([...WORDS, '--force']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('the earlier files were restored');
    expect(stderr).toContain('duplicate "log_format" name "postern"');
    expect(await snapshot(folder)).toEqual(before);
    expect(await readdir(folder)).not.toContain('postern');
    expect((await stat(join(folder, HTTP))).mode & 0o777).toBe(0o640);
  });

  test('writes nothing beside a configuration that nginx already rejects', async () => {
    const { folder, run } = await machine('nonsense;');
    const before = await snapshot(folder);
    const { code, stderr } = await run(WORDS);
    expect([code, stderr]).toEqual([1, expect.stringContaining('unknown directive "nonsense"')]);
    expect(await snapshot(folder)).toEqual(before);
  });

  test('without nginx, reads the files, and says that nothing was tested', async () => {
    const { folder, run } = await machine(SHOP);
    await program(join(folder, 'other', 'node'), '');
    // The command also looks in /usr/sbin, after PATH.
    if (findOnPath('nginx', '')) await program(join(folder, 'other', 'nginx'), 'exit 127');
    const done = await run(WORDS, join(folder, 'other'));
    expect(notes(done)).toEqual([
      expect.stringContaining('shop.log postern;'),
      expect.stringContaining('access.log postern;'),
      expect.stringContaining('sites-enabled/shop:2: include'),
      'nginx was not found, so run nginx -t',
    ]);
  });

  test('without a PATH, runs no program of the current folder', async () => {
    const { folder, run } = await machine(SHOP);
    await program(join(folder, 'nginx'), 'echo nginx version: nginx/1.30.0 >&2; touch ran');
    await run(WORDS, '');
    expect(await readdir(folder)).not.toContain('ran');
  });

  test('--server: nginx accepts a server block with TLS, HTTP/2 and a redirect', async () => {
    const { folder, run, read, write } = await machine('');
    const { certificate, key } = selfSigned('files.example');
    await write('a.pem', certificate);
    await write('a.key', key);
    const [https] = await freePorts(1);
    const files = ['--tls-certificate', `${folder}/a.pem`, '--tls-key', `${folder}/a.key`];
    const places = ['--listen', `127.0.0.1:${https}`, '--log', `${folder}/a.log`];
    const words = ['--server', ...files, ...places];
    expect(await run([...WORDS, ...words])).toMatchObject({ code: 0, stderr: '' });
    const text = await read('conf.d/postern-files.example.conf');
    // Before 1.25.1 HTTP/2 is a parameter of `listen`.
    expect(text).toMatch(
      new RegExp(`listen 127\\.0\\.0\\.1:${https} ssl(?: http2;|;\\n    http2 on;)\\n`),
    );
    // Its own files do not collide.
    expect(await run([...WORDS, ...words, '--force'])).toMatchObject({ code: 0, stderr: '' });
  });

  test('reports an nginx.conf that does not include the file of the http block', async () => {
    const { run, read, write } = await machine('');
    await write('nginx.conf', (await read('nginx.conf')).replace('include conf.d/*.conf;', ''));
    expect(notes(await run(WORDS))[0]).toBe(
      `add this line at the beginning of the http block of nginx.conf: include ${HTTP};`,
    );
  });

  test('reports an nginx.conf without pcre_jit, which belongs outside of the http block', async () => {
    const { run, read, write } = await machine('');
    const text = await read('nginx.conf');
    for (const line of ['', 'pcre_jit off;']) {
      await write('nginx.conf', text.replace('pcre_jit on;', line));
      const note = 'add this line to nginx.conf, outside of the http block: pcre_jit on;';
      expect(notes(await run([...WORDS, '--force']))[0]).toBe(note);
    }
  });
});

describe('nginx --out: warns, and writes', () => {
  const named = (lines: string) =>
    `server {\nlisten unix:a.sock; server_name files.example;\naccess_log off;\n${lines}\n}`;

  test('the files are also below a root of the site', async () => {
    const { folder, run } = await machine(named('root $folder/srv;'));
    const done = await run(WORDS);
    const [note = '', ...more] = notes(done);
    const seen = `${folder}/sites-enabled/shop:4: root ${folder}/srv in the server block: `;
    expect(note).toMatch(new RegExp(`^${seen}.* are at /files/`));
    expect([done.code, more]).toEqual([0, [expect.stringContaining('add this line')]]);
  });

  test('the folder does not exist', async () => {
    const { folder, run, read } = await machine(named(''));
    const done = await run([...WORDS.slice(2), '--files', '/nowhere/files']);
    const line = (await read(SITE)).split('\n').indexOf('    alias /nowhere/files/;') + 1;
    expect(notes(done)[0]).toBe(
      `${folder}/${SITE}:${line}: alias /nowhere/files/: there is no folder /nowhere/files/. To fix it: mkdir -p /nowhere/files/`,
    );
    expect(done.code).toBe(0);
  });

  test('no server block has the name', async () => {
    const { folder, run } = await machine(named('').replace('files.example', 'other.example'));
    expect(notes(await run(WORDS))).toEqual([
      `${folder}/nginx.conf: no server block has the name files.example: write one, with this line: include ${SITE};`,
    ]);
  });

  test('the command in the header of a file makes the same files again', async () => {
    const { folder, run, read } = await machine(named(''));
    expect(await run([...WORDS, '--cors', 'https://app.example'])).toMatchObject({ code: 0 });
    await program(join(folder, 'bin', 'postern'), `exec '${process.execPath}' '${command}' "$@"`);
    const line = /^# {5}(.* postern nginx .*)$/m.exec(await read(SITE))?.[1] ?? '';
    const before = await snapshot(folder);
    const env = { PATH: `${folder}/bin:${process.env.PATH}` };
    const { stdout } = await promisify(execFile)('sh', ['-c', line], { cwd: '/', env });
    expect(stdout).not.toContain('wrote');
    expect(stdout).toContain(`${folder}/${SITE} is unchanged`);
    expect(await snapshot(folder)).toEqual(before);
  });
});
