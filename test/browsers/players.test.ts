import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, type TestContext, test } from 'vitest';
import { packageFile } from '../harness/packages.ts';
import { projectRoot, textOf } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import {
  cases,
  fetchAll,
  openBrowser,
  pageOf,
  pagesLocation,
  playAll,
} from '../support/browser.ts';
import { selfSigned } from '../support/certificate.ts';
import { fragments, makePlaylist, SECONDS } from '../support/clients/hls.ts';
import { client, stateOf, usedOnceFrom, waitForLines } from '../support/clients/programs.ts';
import { fencedBlocks } from '../support/docs/blocks.ts';
import { writeFiles } from '../support/files.ts';
import { folderForTest } from '../support/for-test.ts';
import { without } from '../support/need-tool.ts';
import { mount } from '../support/postern.ts';
import { gateSnippet, siteForTest } from '../support/site.ts';
import { corsFor } from '../support/snippet.ts';

const prefix = '/download/hls/';
const playsHls = `document.createElement('video').canPlayType('application/vnd.apple.mpegurl')`;

async function startFilm([name, mode]: (typeof cases)[0], context: TestContext) {
  const browser = await openBrowser(name, context);
  const ffmpeg = await client('ffmpeg', context);
  const site = await siteForTest({ mode, locations: pagesLocation });
  const segments = await makePlaylist(ffmpeg, join(site.files, 'hls'), fragments);
  const page = await browser.open(await pageOf(site, 'A page of the site'));
  const once = { prefix, cookie: true, max_uses: 1, bind: 'cookie' };
  const { id, access_token } = await site.issue(once);
  return {
    page,
    segments,
    url: `${prefix}index.m3u8?token=${access_token}`,
    async expectAllAsked() {
      const lines = await waitForLines(site, id, ({ length }) => length > segments.length);
      expect(lines.map(({ code }) => code)).toEqual(lines.map(() => 'allow'));
      const asked = lines.map(({ request }) => request.split(' ')[1]).sort();
      const plain = segments.map((file) => prefix + file);
      expect(asked).toEqual([`${prefix}index.m3u8?token=***`, ...plain].sort());
      expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
    },
  };
}

test.for(cases)('HLS, %s: a script fetches it with a token cookie by %s', async (one, context) => {
  const { page, segments, url, expectAllAsked } = await startFilm(one, context);
  const fetched = segments.map((name) => [name, 200, expect.any(Number)]);
  expect(await page.evaluate(fetchAll(url))).toEqual([200, fetched]);
  await expectAllAsked();
});

// Firefox plays HLS only by a script.
test.for(cases.filter(([name]) => name === 'Chromium'))(
  'HLS, %s: a video element plays it with a token cookie by %s',
  async (one, context) => {
    const { page, url, expectAllAsked } = await startFilm(one, context);
    if ((await page.evaluate(playsHls)) === '') without('a Chromium that plays HLS', context);
    expect(await page.evaluate(playAll(url))).toBeCloseTo(SECONDS);
    await expectAllAsked();
  },
);

/** The configuration of nginx. */
const guide = fencedBlocks(textOf('docs/guides/players.md'));
const configuration = guide.find(({ language }) => language === 'nginx')?.text ?? '';

/** integrations/examples/player on https://site.test, with a film on https://other.test, as in docs/guides/players.md. */
async function openFilm(
  [name, mode]: (typeof cases)[0],
  context: TestContext,
  { cookie = false, partitioned = true } = {},
) {
  const browser = await openBrowser(name, context);
  const ffmpeg = await client('ffmpeg', context);
  const [port] = await freePorts(1);
  const origin = `https://site.test:${port}`;
  const { certificate, key } = selfSigned('localhost');
  const folder = await folderForTest();
  await writeFiles(folder, { 'tls.pem': certificate, 'tls.key': key });
  const tls = `listen 127.0.0.1:${port} ssl;
    ssl_certificate ${folder}/tls.pem; ssl_certificate_key ${folder}/tls.key;`;
  const media = configuration
    .replace(/listen 443 ssl;|ssl_certificate\w* .*;/g, (line) => (line.startsWith('l') ? tls : ''))
    .replace('media.example', 'other.test')
    .replace('/srv/media/', '$files/')
    .replace('include postern/protect.conf;', gateSnippet(mode));
  const site = await siteForTest({
    mode,
    mounts: [mount('/media/', '/media-files/')],
    publicUrl: `https://other.test:${port}`,
    cookies: { sameSite: 'None', secure: true, partitioned },
    http: `${corsFor(origin)} ${media}
      server { ${tls} server_name site.test; access_log off; location / { alias ${folder}/; } }`,
  });

  const segments = await makePlaylist(ffmpeg, join(site.files, 'film'), fragments);
  const issued = await site.issue({ prefix: '/media/film/', cookie });
  await writeFiles(folder, { 'api/film': JSON.stringify(issued) });
  await copyFile(
    join(projectRoot, 'integrations/examples/player/index.html'),
    join(folder, 'index.html'),
  );
  await copyFile(await packageFile('browsers', 'hls.js/dist/hls.min.js'), `${folder}/hls.min.js`);
  const page = await browser.open(`${origin}/`);
  /** The URLs that were requested with the token, or without one, and the statuses. */
  const asked = async (count: number, id = issued.id) => {
    const lines = await waitForLines(site, id, ({ length }) => length >= count);
    return lines.map(({ request, status }) => `${request.split(' ')[1]} ${status}`).sort();
  };
  return { page, segments, asked };
}

test.for(
  cases.flatMap(([name, mode]) => [false, true].map((cookie) => [name, mode, cookie] as const)),
)(
  'players, %s: a page of another site plays a film by %s, with the token in a partitioned cookie: %s',
  async ([name, mode, cookie], context) => {
    const { page, segments, asked } = await openFilm([name, mode], context, { cookie });
    expect(await page.evaluate(playAll())).toBeCloseTo(SECONDS);
    const names = cookie
      ? ['/media/film/index.m3u8?token=***', ...segments.map((one) => `/media/film/${one}`)]
      : ['index.m3u8', ...segments].map((one) => `/media/~***/film/${one}`);
    expect(await asked(names.length)).toEqual(names.map((one) => `${one} 200`).sort());
  },
);

// Firefox gives each site its own third-party cookies, also without the attribute.
test.for(cases.filter(([name]) => name === 'Chromium'))(
  'players, %s: a page of another site plays no film if the cookie is not partitioned by %s',
  async (one, context) => {
    const options = { cookie: true, partitioned: false };
    const { segments, asked } = await openFilm(one, context, options);
    // hls.js may end the other requests, which nginx logs with 499.
    const denied = segments.map((name) => `/media/film/${name} 401`);
    await expect.poll(() => asked(1, '')).toContainEqual(expect.toBeOneOf(denied));
    expect(await asked(1)).toEqual(['/media/film/index.m3u8?token=*** 200']);
  },
);
