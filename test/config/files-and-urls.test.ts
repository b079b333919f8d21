import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EVENT_TYPES } from '../../service/events/event.ts';
import { selfSigned } from '../support/certificate.ts';
import { writeFiles } from '../support/files.ts';
import { fieldsOf } from '../support/fixtures.ts';
import { folderForTest } from '../support/for-test.ts';
import {
  type Env,
  errorOf,
  expectIssue,
  issuesOf,
  load,
  loadWith,
} from '../support/load-config.ts';

test.each(fieldsOf('hostile-store-urls.txt'))(
  'config: %s: the store URL %s is rejected, and not shown',
  (expected = '', url) => {
    const issues = issuesOf({ POSTERN_STORE: url });
    expectIssue(issues, 'POSTERN_STORE', expected);
    expect(JSON.stringify(issues)).not.toMatch(/cret|zz/);
  },
);

describe('config: files of the store', () => {
  const [one, other] = [selfSigned('redis.example'), selfSigned('redis.example')];
  const FILES = {
    ...{ 'password.txt': 'pass wörd\n', 'empty.txt': '\n', 'text.pem': 'secret-text' },
    ...{ 'two-lines.txt': 'secret-a\nsecret-b\n', 'ca.pem': other.certificate + one.certificate },
    ...{ 'client.pem': one.certificate, 'client.key': one.key, 'other.key': other.key },
  };

  function loaded(env: Record<string, string>) {
    const variables = Object.entries(env).map(([name, value]) => [`POSTERN_${name}`, value]);
    return loadWith(FILES, Object.fromEntries(variables)).store;
  }

  test('are read, and the password is without its line break', () => {
    const url = 'rediss+sentinel://user@a,b/main';
    const files = {
      ...{ STORE_PASSWORD_FILE: 'password.txt', STORE_CA_FILE: 'ca.pem' },
      ...{ STORE_CERT_FILE: 'client.pem', STORE_KEY_FILE: 'client.key' },
    };
    const names = { STORE_SERVER_NAME: 'redis.example', STORE_SENTINEL_USERNAME: 'watcher' };
    const store = loaded({ STORE: url, ...files, ...names, STORE_SENTINEL_PASSWORD: 'p' });
    const pem = { ca: FILES['ca.pem'], cert: FILES['client.pem'], key: FILES['client.key'] };
    expect(store).toEqual({
      ...{ url, prefix: 'postern:', timeoutMs: 250, replicas: 0, password: 'pass wörd' },
      ...{ ...pem, serverName: 'redis.example' },
      sentinel: { username: 'watcher', password: 'p' },
    });
  });

  const TLS = { STORE: 'rediss://a' };
  const PLAIN = { STORE: 'redis://a' };
  const WATCHED = { STORE: 'redis+sentinel://a/main' };
  const PASSWORD = { STORE_PASSWORD_FILE: 'password.txt' };
  const CERT = { ...TLS, STORE_CERT_FILE: 'client.pem' };
  test.each<[Record<string, string>, string, RegExp]>([
    [{ ...PLAIN, STORE_CA_FILE: 'ca.pem' }, 'STORE_CA_FILE', /begins with rediss/],
    [{ STORE: 'redis+cluster://a', STORE_SERVER_NAME: 'a' }, 'STORE_SERVER_NAME', /rediss/],
    [{ ...PLAIN, STORE_SENTINEL_PASSWORD: 'p' }, 'STORE_SENTINEL_PASSWORD', /\+sentinel/],
    [{ ...WATCHED, STORE_SENTINEL_USERNAME: 'p' }, 'STORE_SENTINEL_USERNAME', /SENTINEL_PASSWORD/],
    [{ STORE_REPLICAS: '1' }, 'STORE_REPLICAS', /0, or a URL of Redis/],
    [PASSWORD, 'STORE_PASSWORD_FILE', /URL of Redis/],
    [{ STORE: 'redis://:p@a', ...PASSWORD }, 'STORE_PASSWORD_FILE', /without a password/],
    [{ ...PLAIN, STORE_PASSWORD_FILE: 'none' }, 'STORE_PASSWORD_FILE', /does not exist/],
    [{ ...PLAIN, STORE_PASSWORD_FILE: 'empty.txt' }, 'STORE_PASSWORD_FILE', /one line/],
    [{ ...PLAIN, STORE_PASSWORD_FILE: 'two-lines.txt' }, 'STORE_PASSWORD_FILE', /one line/],
    [{ ...TLS, STORE_CA_FILE: 'text.pem' }, 'STORE_CA_FILE', /PEM/],
    [CERT, 'STORE_KEY_FILE', /needs its key/],
    [{ ...TLS, STORE_KEY_FILE: 'client.key' }, 'STORE_CERT_FILE', /needs its key/],
    [{ ...CERT, STORE_KEY_FILE: 'other.key' }, 'STORE_KEY_FILE', /of POSTERN_STORE_CERT_FILE/],
    [{ ...CERT, STORE_KEY_FILE: 'client.pem' }, 'STORE_KEY_FILE', /private key/],
    [{ ...TLS, STORE_SERVER_NAME: 'a b' }, 'STORE_SERVER_NAME', /host name/],
  ])('%j is rejected', (env, name, message) => {
    const error = errorOf(() => loaded(env));
    const expected = expect.stringMatching(message);
    expect(error.issues).toEqual([expect.objectContaining({ field: `POSTERN_${name}`, expected })]);
    expect(error.message).not.toMatch(/secret-|pass wörd/);
  });
});

describe('config: events', () => {
  const SECRET = `whsec_${Buffer.alloc(24, 'a').toString('base64')}`;
  const OTHER = `whsec_${Buffer.alloc(64, 'b').toString('base64')}`;
  const URL = { POSTERN_WEBHOOK_URL: 'https://app.example/events?key=hidden' };
  const FILE = { POSTERN_WEBHOOK_SECRET_FILE: '/run/secrets/webhook' };
  const BOTH = { ...URL, ...FILE };

  const withFile = (env: Env, file = `${SECRET}\n`) =>
    loadWith({ [FILE.POSTERN_WEBHOOK_SECRET_FILE]: file }, env).events;

  test('a webhook gets all events, and its file has a secret on each line', () => {
    const secrets = [Buffer.alloc(24, 'a'), Buffer.alloc(64, 'b')];
    const webhook = { url: URL.POSTERN_WEBHOOK_URL, secrets, allow: [] };
    const events = withFile(BOTH, `${SECRET}\r\n\n${OTHER}\n`);
    expect(events).toEqual({ types: EVENT_TYPES, webhook });
  });

  test('a webhook can get some events, at addresses that are not public', () => {
    const events = withFile({
      ...FILE,
      POSTERN_WEBHOOK_URL: 'http://127.0.0.1:8000/',
      POSTERN_WEBHOOK_ALLOW: '127.0.0.1, 10.0.0.0/8,fd00::/8',
      POSTERN_EVENTS: 'token.revoked',
    });
    expect(events.types).toEqual(['token.revoked']);
    expect(events.webhook?.allow).toEqual(['127.0.0.1', '10.0.0.0/8', 'fd00::/8']);
  });

  type Row = [Record<string, string>, file: string | undefined, setting: string, RegExp];
  const wrongUrl = (...urls: string[]) =>
    urls.map((url): Row => {
      return [
        { ...FILE, POSTERN_WEBHOOK_URL: url },
        undefined,
        'WEBHOOK_URL',
        /^an https URL.* such/,
      ];
    });

  test.each<Row>([
    [URL, undefined, 'WEBHOOK_SECRET_FILE', /whsec_/],
    [BOTH, '\n', 'WEBHOOK_SECRET_FILE', /whsec_/],
    [BOTH, 'whsec_YQ==', 'WEBHOOK_SECRET_FILE', /24 to 64 bytes/],
    [BOTH, `${SECRET}\nx`, 'WEBHOOK_SECRET_FILE', /24 to 64 bytes/],
    [FILE, undefined, 'WEBHOOK_SECRET_FILE', /no value, or a URL/],
    [{ POSTERN_WEBHOOK_ALLOW: '10.0.0.0/8' }, undefined, 'WEBHOOK_ALLOW', /no value/],
    [{ ...FILE, POSTERN_WEBHOOK_URL: 'HTTP://a.example/' }, undefined, 'WEBHOOK_URL', /POSTERN_W/],
    [{ POSTERN_EVENTS: 'token.lost' }, undefined, 'EVENTS', /one of token.issued/],
    [{ ...BOTH, POSTERN_WEBHOOK_ALLOW: '10.0.0.1/8' }, undefined, 'WEBHOOK_ALLOW', /ranges/],
    ...wrongUrl('ftp://a.example/', 'https://u:hidden@a.example/'),
    ...wrongUrl('a.example', 'https://a.example/#hidden'),
  ])('%j with a file %j is an error', (env, file, name, message) => {
    const error = errorOf(() => withFile(env, file));
    const expected = expect.stringMatching(message);
    expect(error.issues).toMatchObject([{ field: `POSTERN_${name}`, expected }]);
    expect(error.message).not.toMatch(/hidden|YWFh|YmJi/);
  });
});

describe('config: pages', () => {
  async function pagesOf(files: Record<string, string>) {
    const folder = await folderForTest();
    await writeFiles(folder, files);
    return () => load({ POSTERN_PAGE_FOLDER: folder }).pages;
  }

  test('links are texts and URLs', () => {
    const links = 'Imprint & more=https://a.example/?q=1,Mail=mailto:a@b.example,Help=/help';
    expect(load({ POSTERN_PAGE_LINKS: links }).pages.links).toEqual([
      { text: 'Imprint & more', url: 'https://a.example/?q=1' },
      { text: 'Mail', url: 'mailto:a@b.example' },
      { text: 'Help', url: '/help' },
    ]);
  });

  test.each([
    ['LINKS', 'https://a.example/'],
    ['LINKS', 'Run=javascript:alert(1)'],
    ['LINKS', 'Run=data:text/html;x'],
    ['LINKS', 'Other=//a.example/'],
    ['LINKS', 'Help=/a"b'],
    ['FOLDER', '/nowhere/pages'],
  ])('POSTERN_PAGE_%s=%s is an error', (name, value) => {
    const field = `POSTERN_PAGE_${name}`;
    expect(issuesOf({ [field]: value })).toMatchObject([{ field }]);
  });

  test('a folder has a logo, languages and pages, and hidden files are ignored', async () => {
    const pages = await pagesOf({
      'logo.svg': '<svg/>',
      'it.json': '{"denied": ["No", "Chieda."], "download": "Scarica"}',
      'denied.html': '<p>{{title}}</p>',
      'pin_required.it.html': 'PIN',
      '.gitkeep': '',
    });
    expect(pages()).toMatchObject({
      logo: 'data:image/svg+xml;base64,PHN2Zy8+',
      texts: { it: { denied: ['No', 'Chieda.'], download: 'Scarica' } },
      files: { denied: '<p>{{title}}</p>', 'pin_required.it': 'PIN' },
    });
  });

  test.each<[Record<string, string>, string]>([
    [{ 'readme.txt': '' }, 'not readme.txt'],
    [{ 'listing.html': '', 'other.html': '' }, 'not listing.html, other.html'],
    [{ 'denied.it.html': '' }, 'the texts it.json for denied.it.html'],
    [{ 'denied.html': '{{token}}' }, 'denied.html with the placeholders'],
    [{ 'denied.html': '{{ title }}' }, 'denied.html with the placeholders'],
    [{ 'it.json': '{"titel": "x"}' }, 'it.json with texts'],
    [{ 'it.json': '{"denied": "x"}' }, 'it.json with texts as in'],
    [{ 'it.json': '{"denied": []}' }, 'it.json with texts as in'],
    [{ 'it.json': '{' }, 'it.json as valid JSON'],
    [{ 'logo.svg': 'x'.repeat(65_537) }, 'logo.svg with at most 65536 bytes'],
    // Each problem is in the message.
    [{ 'logo.svg': 'x'.repeat(65_537), 'it.json': '{' }, 'it.json as valid JSON; logo.svg with'],
  ])('files in the folder that are an error: %j', async (files, message) => {
    const expected = expect.stringContaining(message);
    expect(errorOf(await pagesOf(files)).issues).toMatchObject([
      { field: 'POSTERN_PAGE_FOLDER', expected },
    ]);
  });

  // Everyone with an invalid token can read a page.
  test.each([
    ['a link to a private key', 'ln -s ../jwt.json invalid_token.html', 'leads out of it'],
    [
      'a link by a folder outside',
      'ln -s .. .a; ln -s .a/jwt.json invalid_token.html',
      'out of it',
    ],
    ['a named pipe', 'mkfifo en.json', 'en.json as a regular file'],
    ['a folder', 'mkdir en.json', 'en.json as a regular file'],
  ])('in the folder, %s is an error', async (_, commands, message) => {
    const folder = join(await folderForTest(), 'pages');
    await mkdir(folder);
    await writeFile(join(folder, '../jwt.json'), '{"d":"secret"}');
    execFileSync('sh', ['-c', commands], { cwd: folder });
    const [issue] = issuesOf({ POSTERN_PAGE_FOLDER: folder });
    expect(issue?.expected).toContain(message);
  });

  test('the files can be links inside the folder, as in a ConfigMap', async () => {
    const folder = await folderForTest();
    await writeFiles(folder, { '..2026/denied.html': 'Own' });
    execFileSync('sh', ['-c', 'ln -s ..2026 ..data; ln -s ..data/denied.html .'], { cwd: folder });
    expect(load({ POSTERN_PAGE_FOLDER: folder }).pages.files).toEqual({ denied: 'Own' });
  });
});
