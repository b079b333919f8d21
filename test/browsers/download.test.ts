import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { BrowserName } from '../harness/browser.ts';
import {
  browsers,
  cases,
  link,
  openBrowser,
  PICTURE,
  pageOf,
  pagesLocation,
} from '../support/browser.ts';
import { makeFilm } from '../support/clients/hls.ts';
import {
  client,
  type LogLine,
  revoke,
  stateOf,
  usedOnceFrom,
  waitForLines,
} from '../support/clients/programs.ts';
import { mount } from '../support/postern.ts';
import { type SiteMode, siteForTest } from '../support/site.ts';

const BYTES = randomBytes(5_000_000);

test.for(cases)('download, %s: a link saves the file by %s', async ([name, mode], context) => {
  const browser = await openBrowser(name, context);
  const site = await siteForTest({ mode, files: { '4711.bin': BYTES }, locations: pagesLocation });
  const { id, url } = await site.issue({ path: '/download/4711.bin', filename: 'Q3 "résumé".pdf' });

  const page = await browser.open(await pageOf(site, link('report', url)));
  await page.click('#report');

  const saved = await browser.downloaded();
  // Browsers replace quotation marks in the names of files.
  expect(saved.name).toBe('Q3 _résumé_.pdf');
  expect(saved.content.equals(BYTES)).toBe(true);
  expect(await browser.downloads()).toEqual([]);
  const [line, ...more] = await waitForLines(site, id, ({ length }) => length > 0);
  expect(line).toMatchObject({ status: 200, completion: 'OK', code: 'allow' });
  expect(more).toEqual([]);
});

test.for(browsers)('max_age, %s: two pages load a picture once', async (name, context) => {
  const browser = await openBrowser(name, context);
  const site = await siteForTest({
    mode: 'auth_request',
    mounts: [
      mount('/download/', '/protected/', { maxAge: 600 }),
      mount('/other/', '/protected-other/'),
    ],
    files: { 'a.png': PICTURE },
    locations: `${pagesLocation}
      location ^~ /other/ { include postern/protect.conf; }
      location ^~ /protected-other/ { include postern/internal.conf; alias $files/; }`,
  });
  const kept = await site.issue({ path: '/download/a.png' });
  const other = await site.issue({ path: '/other/a.png' });
  const html = [kept, other].map(({ url }) => `<img src="${url}">`).join('');
  const page = await pageOf(site, html);
  for (const _ of [1, 2]) {
    const tab = await browser.open(page);
    const widths = await tab.evaluate('[...document.images].map((one) => one.naturalWidth)');
    expect(widths).toEqual([64, 64]);
    await tab.close();
  }
  await waitForLines(site, other.id, ({ length }) => length === 2);
  expect(await waitForLines(site, kept.id, ({ length }) => length > 0)).toHaveLength(1);
});

const hints: Readonly<Record<string, (url: string) => string>> = {
  link: (url) => `<link rel="prefetch" href="${url}">`,
  prefetch: (url) => rules({ prefetch: [{ urls: [url], eagerness: 'immediate' }] }),
  prerender: (url) => rules({ prerender: [{ urls: [url], eagerness: 'immediate' }] }),
};
const known: Readonly<Record<BrowserName, readonly string[]>> = {
  Chromium: Object.keys(hints),
  // Firefox has no speculation rules.
  Firefox: ['link'],
};

// https://developer.mozilla.org/en-US/docs/Web/API/Speculation_Rules_API
function rules(speculation: object): string {
  return `<script type="speculationrules">${JSON.stringify(speculation)}</script>`;
}

test.for(cases)('prefetch, %s: takes no use by %s', async ([name, mode], context) => {
  const browser = await openBrowser(name, context);
  const site = await siteForTest({ mode, files: { 'a.bin': 'hello' }, locations: pagesLocation });
  const issue = async (kind: string) => {
    const once = { path: '/download/a.bin', filename: `${kind}.bin`, max_uses: 1 };
    const { id, url } = await site.issue(once);
    return { id, kind, html: `${hints[kind]?.(url)}${link(kind, url)}` };
  };
  const issued = await Promise.all(known[name].map(issue));

  const page = await browser.open(await pageOf(site, issued.map(({ html }) => html).join('')));

  for (const { id } of issued) {
    const ahead = await waitForLines(site, id, ({ length }) => length > 0);
    expect(ahead).toMatchObject([{ status: 403, code: 'prefetch' }]);
    expect(await stateOf(site, id)).toMatchObject({ uses_left: 1, requesters: [] });
  }
  for (const { id, kind } of issued) {
    await page.click(`#${kind}`);
    expect(await browser.downloaded()).toMatchObject({ name: `${kind}.bin` });
    expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
  }
});

const pdf = `%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 200 200]>> endobj
trailer <</Root 1 0 R>>
`;

test.for(cases)('disposition, %s: inline is shown by %s', async ([name, mode], context) => {
  const browser = await openBrowser(name, context);
  const ffmpeg = await client('ffmpeg', context);
  const site = await siteForTest({ mode, files: { 'picture.png': PICTURE, 'a.pdf': pdf } });
  for (const film of ['film.mp4', 'film.webm']) await makeFilm(ffmpeg, join(site.files, film));

  for (const [file, expression, expected] of [
    ['picture.png', 'document.images[0]?.naturalWidth', 64],
    ['a.pdf', 'document.contentType', 'application/pdf'],
    ['film.mp4', 'document.querySelector("video")?.duration', 1],
    ['film.webm', 'document.querySelector("video")?.duration', 1],
  ] as const) {
    const inline = { filename: `Café ${file}`, disposition: 'inline' };
    const once = { path: `/download/${file}`, max_uses: 1 };
    const { id, url } = await site.issue({ ...once, ...inline });
    const page = await browser.open(site.nginx.url(url));
    await expect.poll(() => page.evaluate(expression)).toBe(expected);
    expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
  }
  expect(await browser.downloads()).toEqual([]);
});

const script = (picture: string) =>
  `<script>document.title = 'ran'; ${picture}.src = '/ran?' + location.pathname</script>`;
const html = '"http://www.w3.org/1999/xhtml"';
const files = {
  'a.html': `<title>still</title><img src="a.png">${link('zip', 'a.zip')}${script('new Image()')}`,
  'a.svg': `<svg xmlns="http://www.w3.org/2000/svg"><title>still</title>
    ${script(`document.createElementNS(${html}, 'img')`)}</svg>`,
  'a.png': PICTURE,
  'a.zip': Buffer.alloc(1000),
};
const WIDTH = 'document.images[0].naturalWidth';

function startFiles(mode: SiteMode) {
  const locations = `${pagesLocation}
    location /open/ { alias $files/; }
    location = /ran { return 204; }`;
  return siteForTest({ mode, files, locations });
}

test.for(cases)('sandbox, %s: active documents open in it by %s', async ([name, mode], context) => {
  const browser = await openBrowser(name, context);
  const site = await startFiles(mode);

  for (const file of ['a.html', 'a.svg']) {
    const once = { path: `/download/${file}`, disposition: 'inline', max_uses: 1 };
    const { id, url } = await site.issue(once);
    const page = await browser.open(site.nginx.url(url));
    expect(await page.evaluate('document.title')).toBe('still');
    expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
    // The script does run if the site serves the file itself.
    const open = await browser.open(site.nginx.url(`/open/${file}`));
    expect(await open.evaluate('document.title')).toBe('ran');
  }
  const isRan = ({ request }: LogLine) => request.startsWith('GET /ran');
  const ran = (await waitForLines(site, '', (all) => all.filter(isRan).length >= 2)).filter(isRan);
  const by = ran.map(({ request }) => request.split(' ')[1]);
  expect(by).toEqual(['/ran?/open/a.html', '/ran?/open/a.svg']);

  const folder = await site.issue({ prefix: '/download/', max_uses: 1 });
  const page = await browser.open(site.nginx.url(`${folder.url}a.html`));
  expect(await page.evaluate(WIDTH)).toBe(64);
  expect(await stateOf(site, folder.id)).toMatchObject(usedOnceFrom('127.0.0.1'));

  // The saved file is unchanged.
  const archive = await site.issue({ path: '/download/a.zip', max_uses: 1 });
  const { headers } = await site.fetch(archive.url, { method: 'HEAD' });
  expect(headers.get('Content-Security-Policy')).toBe('sandbox');
  const own = await browser.open(await pageOf(site, link('zip', archive.url)));
  await own.click('#zip');
  expect(await browser.downloaded()).toMatchObject({ name: 'a.zip' });
  expect(await stateOf(site, archive.id)).toMatchObject(usedOnceFrom('127.0.0.1'));
});

test.for(cases)('cookies, %s: nested folders keep theirs by %s', async ([name, mode], context) => {
  const browser = await openBrowser(name, context);
  const files = { 'hls/a.txt': 'outer', 'hls/sub/b.txt': 'inner' };
  const site = await siteForTest({ mode, files, locations: pagesLocation });
  const read = async (uri: string) => {
    const page = await browser.open(site.nginx.url(uri));
    return page.evaluate('document.body.innerText');
  };
  const own = await browser.open(await pageOf(site, 'A page of the site'));
  /** The same by a script, which is faster. */
  const load = (uri: string) =>
    own.evaluate(`fetch(${JSON.stringify(uri)}).then((response) => response.text())`);
  /** The file that each token was used for, when the log has as many lines as expected. */
  const asked = async (id: string, count: number) => {
    const lines = await waitForLines(site, id, ({ length }) => length >= count);
    return lines.map(({ request, status }) => `${request.split(/[ ?]/)[1]} ${status}`);
  };
  const outer = await site.issue({ prefix: '/download/hls/', cookie: true });
  const inner = await site.issue({ prefix: '/download/hls/sub/', cookie: true });
  const [a, b] = ['/download/hls/a.txt', '/download/hls/sub/b.txt'];
  expect(await load(`${a}?token=${outer.access_token}`)).toBe('outer');
  expect(await load(`${b}?token=${inner.access_token}`)).toBe('inner');

  expect(await load(a)).toBe('outer');
  expect(await load(b)).toBe('inner');
  await revoke(site, inner.id);
  expect(await read(b)).toBe('inner');
  expect(await asked(outer.id, 3)).toEqual([`${a} 200`, `${a} 200`, `${b} 200`]);
  expect(await asked(inner.id, 2)).toEqual([`${b} 200`, `${b} 200`]);
});
