import { describe, expect, test } from 'vitest';
import { type Site, siteForTest, useSite } from '../support/site.ts';

const POLICY = 'Content-Security-Policy';

/** Files by extension, with the types of the list that is used everywhere in these tests. */
const ACTIVE = ['a.html', 'a.svg', 'a.xml', 'a.js', 'a.css', 'a.txt', 'a.json', 'a.unknown', 'a'];
const INERT = ['a.mp4', 'a.webm', 'a.mp3', 'a.png', 'a.jpg', 'a.pdf'];

/** Files by type, from the site's list or from an object store. */
const ACTIVE_TYPES = [
  ...['TEXT/HTML', 'application/xhtml+xml', 'Application/XHTML+XML', 'image/svg+xml'],
  ...['IMAGE/SVG+XML', 'image/svg+xml; charset=utf-8', 'image/other+xml', 'video/other+xml'],
  ...['application/pdf+xml', 'application/pdfx', 'text/video/mp4', 'video/', 'image'],
  ...['image/png, text/html', 'image/png; a=b, text/html'],
];
const INERT_TYPES = [
  ...['VIDEO/MP4', 'Image/Png', 'AUDIO/MPEG', 'Application/PDF', 'video/mp4; codecs=avc1'],
  ...['audio/x-m4a', 'image/vnd.microsoft.icon', 'image/png ; a=b'],
];
const TYPES = [...ACTIVE_TYPES, ...INERT_TYPES];

const names = [...ACTIVE, ...INERT, ...TYPES.map((_, i) => `a.t${i}`)];
const files = Object.fromEntries(names.map((name) => [name, 'content']));

/** The policies of an answer, each once: nginx runs add_header twice before a 416. */
async function policies(site: Site, name: string, headers = {}, method = 'GET') {
  const { url } = await site.issue({ path: `/download/${name}` });
  const answer = await site.ask(method, url, headers);
  const values = answer.headers.filter(([header]) => header === POLICY.toLowerCase());
  expect(answer.header('X-Content-Type-Options')).toBe('nosniff');
  expect(answer.header('Referrer-Policy')).toBe('no-referrer');
  expect(answer.header('Service-Worker-Allowed')).toBeUndefined();
  return [answer.status, ...new Set(values.map(([, value]) => value))];
}

const mode = 'auth_request';

// internal.conf includes file.conf in both modes.
describe('file.conf: how a browser shows a file', () => {
  const server = 'add_header Service-Worker-Allowed / always; charset utf-8; charset_types *;';
  const site = useSite({ mode, server, files });

  test.each(ACTIVE)('%s is opened in a sandbox', async (name) => {
    expect(await policies(site, name)).toEqual([200, 'sandbox']);
    expect(await policies(site, name, {}, 'HEAD')).toEqual([200, 'sandbox']);
    expect(await policies(site, name, { Range: 'bytes=0-1' })).toEqual([206, 'sandbox']);
    expect(await policies(site, name, { Range: 'bytes=99-' })).toEqual([416, 'sandbox']);
    // A 304 has no type, and its headers replace those in the browser's cache.
    expect(await policies(site, name, { 'If-None-Match': '*' })).toEqual([304]);
  });

  test.each(INERT)('%s is shown', async (name) => {
    expect(await policies(site, name)).toEqual([200]);
    expect(await policies(site, name, { Range: 'bytes=0-1' })).toEqual([206]);
    expect(await policies(site, name, { 'If-None-Match': '*' })).toEqual([304]);
  });
});

describe('file.conf: the content types of a site', () => {
  const locations = (types: string, more = '') => ({
    internal: `include postern/internal.conf; ${more} ${types} alias $files/;`,
  });

  test('match in any case and with parameters', async () => {
    const list = TYPES.map((type, i) => `"${type}" t${i};`).join('\n');
    const site = await siteForTest({ mode, files, ...locations(`types { ${list} }`) });
    for (const [i, type] of TYPES.entries()) {
      const expected = INERT_TYPES.includes(type) ? [200] : [200, 'sandbox'];
      expect(await policies(site, `a.t${i}`), type).toEqual(expected);
    }
  });

  test('a file without a type is opened in a sandbox', async () => {
    const site = await siteForTest({ mode, files, ...locations('types { } default_type "";') });
    const { url } = await site.issue({ path: '/download/a.png' });
    expect((await site.ask('GET', url)).header('Content-Type')).toBeUndefined();
    expect(await policies(site, 'a.png')).toEqual([200, 'sandbox']);
  });

  test.each([
    ['none', '""', []],
    ['its own', '"sandbox allow-scripts"', ['sandbox allow-scripts']],
  ])('a site can set another policy: %s', async (_, value, expected) => {
    const more = `set $postern_content_security_policy ${value};`;
    const site = await siteForTest({ mode, files, ...locations('', more) });
    expect(await policies(site, 'a.html')).toEqual([200, ...expected]);
  });
});
