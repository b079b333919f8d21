import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeFilm } from '../clients/hls.ts';
import { client } from '../clients/programs.ts';
import { type LogLine, stateOf, usedOnceFrom, waitForLines } from '../clients/state.ts';
import { type SiteMode, siteForTest } from '../support/site.ts';
import { browsers, cases, link, openBrowser, PICTURE, pageOf, pagesLocation } from './browser.ts';

const pdf = `%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 200 200]>> endobj
trailer <</Root 1 0 R>>
`;

test.for(cases)('%s: shows a file with disposition inline by %s', async ([name, mode], context) => {
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

async function startFiles(mode: SiteMode) {
  const locations = `${pagesLocation}
    location /open/ { alias $files/; }
    location = /ran { return 204; }`;
  const site = await siteForTest({ mode, files, locations });
  return site;
}

test.for(cases)(
  '%s: opens an active document in a sandbox by %s',
  async ([name, mode], context) => {
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
    const ran = (await waitForLines(site, '', (all) => all.filter(isRan).length >= 2)).filter(
      isRan,
    );
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
  },
);

// Two limits of `sandbox` for a folder of pages. `allow-same-origin allow-downloads` would remove them,
// and still no script could run.

test.for(browsers)(
  '%s: a page in the sandbox loads no pictures with the cookie',
  async (name, context) => {
    const browser = await openBrowser(name, context);
    const site = await startFiles('auth_request');
    const { access_token } = await site.issue({ prefix: '/download/', cookie: true });
    const page = await browser.open(site.nginx.url(`/download/a.html?token=${access_token}`));
    // An opaque origin is another site, and the cookie is SameSite.
    expect(await page.evaluate(WIDTH)).toBe(0);
  },
);

test.for(browsers)('%s: a link in the sandbox saves no file', async (name, context) => {
  const browser = await openBrowser(name, context);
  const site = await startFiles('auth_request');
  const { id, url } = await site.issue({ prefix: '/download/' });
  const page = await browser.open(site.nginx.url(`${url}a.html`));
  await page.click('#zip');
  // The browser requests the file and drops the response: a use of the token would be taken.
  await waitForLines(site, id, (lines) => lines.some(({ request }) => request.includes('a.zip')));
  // A later download is complete first.
  const next = await site.issue({ path: '/download/a.zip', filename: 'next.zip' });
  const own = await browser.open(await pageOf(site, link('next', next.url)));
  await own.click('#next');
  expect(await browser.downloaded()).toMatchObject({ name: 'next.zip' });
});
