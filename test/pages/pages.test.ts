import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createPages, MAX_PAGES, type PageSettings } from '../../service/pages/pages.ts';
import { LANGUAGES, PAGES, SCRIPT_TEXTS } from '../../service/pages/texts.ts';
import { rowsOf } from '../support/rows.ts';

const CODES = [
  ...['missing_token', 'invalid_token', 'confirmation_required', 'pin_required', 'pin_wrong'],
  ...['path_is_folder', 'insufficient_scope', 'not_found', 'too_many_requests', 'unavailable'],
];

const NO_SETTINGS: PageSettings = {};
const ASKED = { code: 'confirmation_required', file: '', until: '', language: '', requestId: '' };

/** `raw`: the name, percent-encoded, as the gate sends it. `more`: the words after the name. */
function show(
  asked: Partial<typeof ASKED & Record<'raw' | 'more', string>>,
  settings = NO_SETTINGS,
) {
  const { code, file, until, language, requestId, raw, more = '' } = { ...ASKED, ...asked };
  const page = createPages(
    settings,
    'a<b&&c',
  )({
    code,
    file: `${until} ${raw ?? encodeURIComponent(file)} ${more}`,
    languages: language,
    requestId,
  });
  const header = (name: string) => page?.headers[page.headers.indexOf(name) + 1];
  return { text: page?.body ?? '', header };
}

/** nginx's $request_id. */
const NONCE = '0123456789abcdef'.repeat(2);

const titleOf = ({ text }: { text: string }) => /<title>(.*)<\/title>/.exec(text)?.[1];

describe.each([...LANGUAGES.keys()])('pages: in %s', (language) => {
  test.each(CODES)('%s is a whole page whose styles the policy allows', (code) => {
    const asked = { code, language, file: 'a.txt', until: '2026-11-26T07:05:58Z' };
    const page = show(asked);
    expect(page.text).toMatch(new RegExp(`^<!doctype html>\n<html lang="${language}">\n<head>`));
    expect(page.text).toMatch(/<\/main>\n<\/body>\n<\/html>\n$/);
    expect(page.text).not.toMatch(
      /undefined|>false|\[object|<script|@import|url\(|https?:\/\/(?!www\.w3\.org)/,
    );
    const [heading = ''] = /(?<=<h1>).*(?=<\/h1>)/.exec(page.text) ?? [];
    const title = code === 'pin_wrong' ? /^(Error:|Fehler:|Erreur :) / : /^/;
    expect(titleOf(page)?.replace(title, '')).toBe(heading);
    expect(titleOf(page)).toMatch(title);
    // With another icon or none, a browser would request /favicon.ico.
    expect(page.text.match(/<link[^>]*>/g)).toEqual([
      expect.stringMatching(/^<link rel="icon" href="data:image\/svg\+xml,[\w.%!()*-]+">$/),
    ]);
    const css = /<style>([\s\S]*)<\/style>/.exec(page.text)?.[1] ?? '';
    const hash = createHash('sha256').update(css).digest('base64');
    expect(page.header('Content-Security-Policy')).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
    );
    expect(page.header('Cache-Control')).toBe('no-store');
    const hasForm = /^(confirmation|pin)_/.test(code);
    expect(page.header('Referrer-Policy')).toBe(hasForm ? 'same-origin' : 'no-referrer');
    expect(page.text.includes('a.txt')).toBe(hasForm);
    expect(page.text.includes('<form method="post">')).toBe(hasForm);
    const scripted = show({ ...asked, requestId: NONCE });
    const script = hasForm ? [`<script nonce="${NONCE}">`] : [];
    expect(scripted.text.match(/<script[^>]*>/g) ?? []).toEqual(script);
    const [, policy] =
      /script-src ([^;]*)/.exec(scripted.header('Content-Security-Policy') ?? '') ?? [];
    expect(policy).toBe(hasForm ? `'nonce-${NONCE}'` : undefined);
  });

  test('has the texts of each page, and a missing file says nothing about the link', () => {
    const titles = PAGES.map((code) => titleOf(show({ code, language })));
    expect(new Set(titles).size).toBe(PAGES.length);
    // A client can request an internal location, too: it has no valid link.
    expect(show({ code: 'not_found', language }).text).not.toMatch(/v[aá]lid|gültig/);
  });
});

// A page reflects nothing of a request, except a known code, a name and a time.
test('pages: an unknown code is not shown', () => {
  const denied = show({ code: 'insufficient_scope' }).text;
  for (const code of ['', 'x"><script>', 'up', 'until', 'listing_x', '__proto__', 'constructor']) {
    expect(show({ code, file: 'secret.txt', until: '2026-11-26T07:05:58Z' }).text).toBe(denied);
  }
});

describe('pages: the name of a file', () => {
  test.each([
    ['markup', '"><script>alert(1)</script>', '&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;'],
    ['the end of the title', '</title><b>', '&lt;/title&gt;&lt;b&gt;'],
    ['an apostrophe', "it's & that", 'it&#39;s &amp; that'],
    ['an SSI command', '<!--# echo -->', '&lt;!--# echo --&gt;'],
    ['a placeholder', '{{text}} {until} $http_cookie', '{{text}} {until} $http_cookie'],
    ['a right-to-left override', 'gpj\u202etxt.exe', 'gpj\ufffdtxt.exe'],
    ['control characters', 'a\n\r\0\x1b[2Jb', 'a\ufffd\ufffd\ufffd\ufffd[2Jb'],
    ['letters and emoji', 'é \u4e2d\u6587 \u{1f600}', 'é \u4e2d\u6587 \u{1f600}'],
  ])('%s is escaped', (_, file, shown) => {
    for (const code of ['confirmation_required', 'pin_required', 'pin_wrong']) {
      const { text } = show({ code, file });
      expect(text).toContain(`<meta property="og:title" content="${shown}">`);
      expect(text).toContain(`<p class="file"><bdi>${shown}</bdi></p>`);
      expect(text.match(/<script|<b>|<!--/)).toBeNull();
    }
    expect(titleOf(show({ code: 'listing', file }))).toBe(shown);
  });

  test.each(['%', '%ff', '%c3%28', '%ed%a0%80'])('%s is not UTF-8, and not shown', (raw) => {
    expect(show({ raw }).text).not.toContain('<bdi>');
  });
});

test('pages: the time is in the language of the page, and other texts are not shown', () => {
  const until = '2026-11-26T07:05:58Z';
  expect(show({ until }).text).toMatch(
    /until <time datetime="2026-11-26T07:05:58Z">November 26, 2026 at 07:05 UTC<\/time>\./,
  );
  expect(show({ until, language: 'de' }).text).toContain(
    '>26. November 2026 um 07:05 UTC</time> starten',
  );
  const list = show({ code: 'listing', until: 'list', file: 'hls', more: until });
  expect(list.text).toContain('until <time datetime="2026-11-26T07:05:58Z">November 26, 2026');
  for (const other of ['', 'tomorrow', '"><script>', '2026-99-99T07:05:58Z']) {
    expect(show({ until: other }).text).not.toMatch(/<time|script/);
    expect(show({ code: 'listing', more: other }).text).not.toMatch(/<time|script/);
  }
});

test('pages: a wrong PIN is an error at the field', () => {
  expect(show({ code: 'pin_required' }).text).not.toMatch(/aria-invalid|class="error"/);
  const { text } = show({ code: 'pin_wrong' });
  expect(text).toContain('<p class="error" id="wrong">');
  expect(text).toMatch(
    /<input id="pin" name="pin" [^>]* autofocus aria-invalid="true" aria-describedby="wrong">/,
  );
  expect(text).not.toContain('left');
  for (const [more = '', left = null] of [
    ['left=4'],
    ['left=x'],
    ['left=3', 'Attempts left: 3.</p>'],
    ['folder left=1 unkept', 'Attempts left: 1.</p>'],
  ]) {
    const [shown = null] = /Attempts.*/.exec(show({ code: 'pin_wrong', more }).text) ?? [];
    expect(shown).toBe(left);
  }
});

test('pages: a form shows the size and the sender that the token names', () => {
  const more = `file size=1500000 sender=${encodeURIComponent('<b> & + \u202eAda')}`;
  for (const code of ['confirmation_required', 'pin_required', 'pin_wrong']) {
    const { text } = show({ code, file: 'a', more });
    expect(text).toContain('<p class="soft">1.5 MB</p>');
    expect(text).toContain('<p class="soft">Sent by <bdi>&lt;b&gt; &amp; + \ufffdAda</bdi></p>');
    expect(text).toContain('<button>Open</button>');
  }
  expect(show({ language: 'de', more: 'size=0' }).text).toContain('<p class="soft">0 Byte</p>');
  for (const other of ['', 'size=', 'size=-1', 'size=x', 'sender=']) {
    expect(show({ more: other }).text).not.toMatch(/Sent by|byte|NaN/);
  }
  const other = { file: 'a', until: 'list', more: `2026-11-26T07:05:58Z ${more}` };
  expect(show({ ...other, code: 'listing' }).text).not.toMatch(/Sent by|1\.5 MB/);
  expect(show({ ...other, code: 'invalid_token' }).text).not.toMatch(/Sent by|1\.5 MB/);
});

test.each(
  rowsOf({
    de: [
      ...['de', 'de-AT,de;q=0.9,en;q=0.8', 'it-IT, it;q=0.9, de;q=0.8, en;q=0.7', 'DE'],
      ...['__proto__,de', `${'it,'.repeat(80)}de`],
    ],
    // Only the first 256 characters are read.
    en: ['en-US,de;q=0.9', 'it', 'den, ende', '', '../../de', `${'it,'.repeat(90)}de`],
    fr: ['fr-CA,fr;q=0.9'],
    es: ['es'],
  }),
)('pages: the first language of %s is %s', (language, lang) => {
  expect(show({ language }).text).toContain(`<html lang="${lang}">`);
});

describe('pages: settings', () => {
  test('the name, the links and the color of the site are on each page', () => {
    const links = [{ text: 'Imprint & more', url: 'https://example.com/?a=1&b="2"' }];
    const { text } = show({}, { name: 'A <b> site', color: '#ffd400', links });
    expect(text).toContain('<div class="logo">A &lt;b&gt; site</div>');
    expect(text).toContain('--accent: #ffd400; --on-accent: #000;');
    expect(text).toContain(
      '<footer><a href="https://example.com/?a=1&amp;b=&quot;2&quot;" rel="noreferrer">Imprint &amp; more</a></footer>',
    );
    expect(show({}, { color: '#1d4ed8' }).text).toContain('--on-accent: #fff;');
    expect(show({}).text).not.toMatch(/<footer>/);
    expect(text).toContain('fill%3D%22%23ffd400%22');
    const list = show({ code: 'listing' }, { name: 'A', links }).text;
    expect(list).toContain('<footer><a href="https://example.com/?a=1&amp;b=');
  });

  test('a logo has the name of the site as its text', () => {
    const { text } = show({}, { name: 'Example', logo: 'data:image/svg+xml;base64,PHN2Zy8+' });
    expect(text).toContain('<img src="data:image/svg+xml;base64,PHN2Zy8+" alt="Example">');
    expect(text).toContain('<link rel="icon" href="data:image/svg+xml;base64,PHN2Zy8+">');
  });

  test('a language of the operator is used, and texts that it does not have are English', () => {
    const texts = { it: { denied: ['No & <no>', 'Chieda.'] }, en: { download: 'Get it' } };
    const italian = show({ code: 'x', language: 'it' }, { texts });
    expect(italian.text).toContain('<html lang="it">');
    expect(italian.text).toContain('<h1>No &amp; &lt;no&gt;</h1>\n');
    expect(show({ language: 'it' }, { texts }).text).toContain('<button>Download</button>');
    expect(show({ language: 'en' }, { texts }).text).toContain('<button>Get it</button>');
  });

  test('a page of the operator replaces one page, and its placeholders are escaped', () => {
    const own =
      '<title>{{title}}</title><style>b{}</style><style>i{}</style><p title="{{file}}">{{size}}{{sender}}{{text}}{{until}}{{error}}|{{site}}|{{language}}';
    const files = { pin_required: own, 'denied.de': 'nur {{title}}' };
    const asked = { code: 'pin_wrong', file: '"\'<&{{text}}', until: '2026-11-26T07:05:58Z' };
    const { text, header } = show(asked, { name: '<me>', files });
    expect(text).toContain('<title>Enter the PIN</title>');
    expect(text).toContain(
      '<p title="&quot;&#39;&lt;&amp;{{text}}">The link is protected by a PIN.',
    );
    expect(text).toMatch(/UTCThis PIN is wrong\..*\|&lt;me&gt;\|en$/);
    expect(header('Content-Security-Policy')).toMatch(
      /style-src 'sha256-[^ ']{44}' 'sha256-[^ ']{44}';/,
    );
    expect(header('Referrer-Policy')).toBe('same-origin');
    expect(show({ code: 'x', language: 'de' }, { files }).text).toBe(
      'nur Dieser Link öffnet diese Datei nicht',
    );
    expect(show({ code: 'x', language: 'en' }, { files }).text).toContain('<!doctype html>');
  });
});

describe('pages: a script', () => {
  const requestId = NONCE;

  test.each(['', 'x', `${requestId}0`, `' 'unsafe-inline`, requestId.toUpperCase()])(
    'a page has none with the request ID %j, nor has one of the operator',
    (other) => {
      const own = show({ code: 'pin_required', requestId }, { files: { pin_required: '<form>' } });
      const pages = ['pin_required', 'listing'].map((code) => show({ code, requestId: other }));
      for (const page of [own, ...pages]) {
        expect(page.text).not.toContain('<script');
        expect(page.header('Content-Security-Policy')).not.toContain('script-src');
      }
    },
  );

  test('a list contains one with its texts, and the style has the nonce', () => {
    const { text } = show({ code: 'listing', file: 'hls', language: 'de', requestId });
    const [, texts = ''] =
      new RegExp(
        `<script type="module" nonce="${requestId}" data-texts="([^"]*)">a<b&&c</script>`,
      ).exec(text) ?? [];
    const shown = JSON.parse(texts.replaceAll('&quot;', '"'));
    expect(Object.keys(shown)).toEqual([...SCRIPT_TEXTS]);
    expect(shown.name).toBe('Name');
    expect(shown.stop).toBe('Anhalten');
    expect(text).toContain(`<style nonce="${requestId}">`);
  });
});

test.each([
  ['', 'Download this file?', 'Download', true],
  ['file', 'Open this file?', 'Open', false],
  ['folder', 'Open this folder?', 'Open', false],
])('pages: a confirmation that opens "%s" has the title %s', (more, title, label, isDownload) => {
  const page = show({ file: 'a', more });
  expect(titleOf(page)).toBe(title);
  expect(page.text).toContain(`<button>${label}</button>`);
  expect(page.text.includes('data-started="Your download has started."')).toBe(isDownload);
  const pin = show({ code: 'pin_required', file: 'a', more });
  expect(titleOf(pin)).toBe('Enter the PIN');
  expect(pin.text).toContain(`<button>${label}</button>`);
});

test('pages: a browser that did not keep the cookie gets an explanation, once', () => {
  const why = 'your browser did not keep a cookie';
  for (const code of ['confirmation_required', 'pin_required']) {
    expect(show({ code, file: 'unkept' }).text).not.toContain(why);
    expect(show({ code, file: 'a', more: 'unkept' }).text.split(why)).toHaveLength(2);
    expect(show({ code, file: 'a', more: 'folder unkept' }).text.split(why)).toHaveLength(2);
  }
  expect(show({ code: 'invalid_token', more: 'unkept' }).text).not.toContain(why);
});

test('pages: a second has a number of denials, and any number of pages that need a token', () => {
  let now = 10_000;
  const pages = createPages({}, '', () => now);
  const written = (code: string, count: number) =>
    Array.from({ length: count }, () => pages({ code })).filter(Boolean).length;
  expect(written('invalid_token', 2000)).toBe(MAX_PAGES);
  expect(written('unavailable', 10)).toBe(0);
  expect(written('confirmation_required', 2000)).toBe(2000);
  expect(written('listing', 2000)).toBe(2000);
  now += 1000;
  expect(written('invalid_token', 10)).toBe(10);
});
