import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { EVENT_TYPES } from '../../service/webhooks/event.ts';
import { errorOf, issuesOf, load, MOUNTS } from './load.ts';

describe('config: events', () => {
  const SECRET = `whsec_${Buffer.alloc(24, 'a').toString('base64')}`;
  const OTHER = `whsec_${Buffer.alloc(64, 'b').toString('base64')}`;
  const URL = { POSTERN_WEBHOOK_URL: 'https://app.example/events?key=hidden' };
  const FILE = { POSTERN_WEBHOOK_SECRET_FILE: '/run/secrets/webhook' };
  const BOTH = { ...URL, ...FILE };

  const withFile = (env: Record<string, string>, file = `${SECRET}\n`) =>
    loadConfig({ ...MOUNTS, ...env }, () => file, { onTerminal: true }).events;

  test('without a webhook there are none by default', () => {
    expect(load({}).events).toEqual({ types: [] });
  });

  test('POSTERN_EVENTS alone stores these events', () => {
    const { events } = load({ POSTERN_EVENTS: 'token.revoked,token.redeemed' });
    expect(events).toEqual({ types: ['token.revoked', 'token.redeemed'] });
  });

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

  test.each<[Record<string, string>, string | undefined, string, RegExp]>([
    [URL, undefined, 'WEBHOOK_SECRET_FILE', /whsec_/],
    [BOTH, '\n', 'WEBHOOK_SECRET_FILE', /whsec_/],
    [BOTH, 'whsec_YQ==', 'WEBHOOK_SECRET_FILE', /24 to 64 bytes/],
    [BOTH, `${SECRET}\nx`, 'WEBHOOK_SECRET_FILE', /24 to 64 bytes/],
    [FILE, undefined, 'WEBHOOK_SECRET_FILE', /no value, or a URL/],
    [{ POSTERN_WEBHOOK_ALLOW: '10.0.0.0/8' }, undefined, 'WEBHOOK_ALLOW', /no value/],
    [{ ...FILE, POSTERN_WEBHOOK_URL: 'HTTP://a.example/' }, undefined, 'WEBHOOK_URL', /POSTERN_W/],
    [{ POSTERN_EVENTS: 'token.lost' }, undefined, 'EVENTS', /one of token.issued/],
    [{ ...BOTH, POSTERN_WEBHOOK_ALLOW: '10.0.0.1/8' }, undefined, 'WEBHOOK_ALLOW', /ranges/],
    ...['ftp://a.example/', 'https://u:p@a.example/', 'a.example', 'https://a.example/#a'].map(
      (url): [Record<string, string>, undefined, string, RegExp] => [
        { ...FILE, POSTERN_WEBHOOK_URL: url },
        undefined,
        'WEBHOOK_URL',
        /^an https URL.* such as/,
      ],
    ),
  ])('%j with a file %j is an error', (env, file, name, message) => {
    const expected = expect.stringMatching(message);
    expect(errorOf(() => withFile(env, file)).issues).toMatchObject([
      { field: `POSTERN_${name}`, expected },
    ]);
  });

  test('no report shows a secret of a webhook or the path of its URL', () => {
    const invalid = { POSTERN_WEBHOOK_SECRET_FILE: SECRET, POSTERN_WEBHOOK_ALLOW: 'x' };
    const env = { ...invalid, POSTERN_WEBHOOK_URL: `${URL.POSTERN_WEBHOOK_URL}#a` };
    for (const attempt of [() => load(env), () => withFile({ ...env, ...FILE }, OTHER)]) {
      const { message, issues } = errorOf(attempt);
      expect(`${message}${JSON.stringify(issues)}`).not.toMatch(/hidden|YWFh|YmJi/);
    }
  });
});

describe('config: pages', () => {
  async function pagesOf(files: Record<string, string>) {
    const folder = await mkdtemp(join(tmpdir(), 'pages-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const env = { ...MOUNTS, POSTERN_PAGE_FOLDER: folder };
    return () => loadConfig(env, (path) => readFileSync(path, 'utf8'), { onTerminal: true }).pages;
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
      'fr.json': '{"denied": ["Non", "Demandez."], "download": "T\u00e9l\u00e9charger"}',
      'denied.html': '<p>{{title}}</p>',
      'pin_required.fr.html': 'PIN',
      '.gitkeep': '',
    });
    expect(pages()).toMatchObject({
      logo: 'data:image/svg+xml;base64,PHN2Zy8+',
      texts: { fr: { denied: ['Non', 'Demandez.'], download: 'T\u00e9l\u00e9charger' } },
      files: { denied: '<p>{{title}}</p>', 'pin_required.fr': 'PIN' },
    });
  });

  test.each<[Record<string, string>, string]>([
    [{ 'readme.txt': '' }, 'not readme.txt'],
    [{ 'listing.html': '', 'other.html': '' }, 'not listing.html, other.html'],
    [{ 'denied.fr.html': '' }, 'the texts fr.json for denied.fr.html'],
    [{ 'denied.html': '{{token}}' }, 'denied.html with the placeholders'],
    [{ 'denied.html': '{{ title }}' }, 'denied.html with the placeholders'],
    [{ 'fr.json': '{"titel": "x"}' }, 'fr.json with texts'],
    [{ 'fr.json': '{"denied": "x"}' }, 'fr.json with texts as in'],
    [{ 'fr.json': '{"denied": []}' }, 'fr.json with texts as in'],
    [{ 'fr.json': '{' }, 'fr.json as valid JSON'],
    [{ 'logo.svg': 'x'.repeat(65_537) }, 'logo.svg with at most 65536 characters'],
    // Each problem is in the message.
    [{ 'logo.svg': 'x'.repeat(65_537), 'fr.json': '{' }, 'fr.json as valid JSON; logo.svg with'],
  ])('files in the folder that are an error: %j', async (files, message) => {
    const expected = expect.stringContaining(message);
    expect(errorOf(await pagesOf(files)).issues).toMatchObject([
      { field: 'POSTERN_PAGE_FOLDER', expected },
    ]);
  });
});
