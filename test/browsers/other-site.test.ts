import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, type TestContext, test } from 'vitest';
import { client } from '../clients/client.ts';
import { testFolder } from '../clients/folder.ts';
import { fragments, makePlaylist, SECONDS } from '../clients/hls.ts';
import { waitForLines } from '../clients/site-log.ts';
import { fencedBlocks } from '../docs/blocks.ts';
import { projectRoot } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { selfSigned } from '../support/certificate.ts';
import { mount } from '../support/postern.ts';
import { gateSnippet, startSite } from '../support/site.ts';
import { corsFor } from '../support/snippet.ts';
import { cases, openBrowser } from './browser.ts';

/** The configuration of nginx and the page. */
const guide = fencedBlocks(await readFile(join(projectRoot, 'docs', 'players.md'), 'utf8'));
const block = (language: string) => guide.find((one) => one.language === language)?.text ?? '';

/** Plays the film of the page as fast as possible. Returns its length. */
const playAll = `new Promise((resolve) => {
  const video = document.querySelector('video');
  const play = () => {
    video.muted = true;
    video.playbackRate = 16;
    video.onended = () => resolve(video.duration);
    video.onerror = () => resolve(video.error.message);
    video.play().catch(({ message }) => resolve(message));
  };
  if (video.readyState > 0) play();
  else video.onloadedmetadata = play;
})`;

/** The page of docs/players.md on https://site.test, with a film on https://other.test. */
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
  const folder = await testFolder();
  await writeFile(join(folder, 'tls.pem'), certificate);
  await writeFile(join(folder, 'tls.key'), key);
  const tls = `listen 127.0.0.1:${port} ssl;
    ssl_certificate ${folder}/tls.pem; ssl_certificate_key ${folder}/tls.key;`;
  const media = block('nginx')
    .replace(/listen 443 ssl;|ssl_certificate\w* .*;/g, (line) => (line.startsWith('l') ? tls : ''))
    .replace('media.example', 'other.test')
    .replace('/srv/media/', '$files/')
    .replace('include postern/protect.conf;', gateSnippet(mode));
  const site = await startSite({
    mode,
    mounts: [mount('/media/', '/media-files/')],
    publicUrl: `https://other.test:${port}`,
    cookies: { sameSite: 'None', secure: true, partitioned },
    http: `${corsFor(origin)} ${media}
      server { ${tls} server_name site.test; access_log off; location / { alias ${folder}/; } }`,
  });
  onTestFinished(() => site.stop());

  const segments = await makePlaylist(ffmpeg, join(site.files, 'film'), fragments);
  const issued = await site.issue({ prefix: '/media/film/', cookie });
  await mkdir(join(folder, 'api'));
  await writeFile(join(folder, 'api', 'film'), JSON.stringify(issued));
  await writeFile(join(folder, 'index.html'), block('html'));
  await copyFile(join(projectRoot, 'node_modules/hls.js/dist/hls.min.js'), `${folder}/hls.min.js`);
  const page = await browser.open(`${origin}/`);
  /** The URLs that were requested with the token, or without one, and the statuses. */
  const asked = async (count: number, id = issued.id) => {
    const lines = await waitForLines(site, id, ({ length }) => length >= count);
    return lines.map(({ request, status }) => `${request.split(' ')[1]} ${status}`).sort();
  };
  return { page, segments, asked };
}

test.for(cases)(
  '%s: a page of another site plays a film with the token in the path by %s',
  async (one, context) => {
    const { page, segments, asked } = await openFilm(one, context);
    expect(await page.evaluate(playAll)).toBeCloseTo(SECONDS);
    const names = ['index.m3u8', ...segments];
    expect(await asked(names.length)).toEqual(
      names.map((name) => `/media/~***/film/${name} 200`).sort(),
    );
  },
);

test.for(cases)(
  '%s: a page of another site plays a film with the token in a partitioned cookie by %s',
  async (one, context) => {
    const { page, segments, asked } = await openFilm(one, context, { cookie: true });
    expect(await page.evaluate(playAll)).toBeCloseTo(SECONDS);
    const plain = segments.map((name) => `/media/film/${name} 200`);
    expect(await asked(plain.length + 1)).toEqual(
      ['/media/film/index.m3u8?token=*** 200', ...plain].sort(),
    );
  },
);

// Firefox gives each site its own third-party cookies, also without the attribute.
test.for(cases.filter(([name]) => name === 'Chromium'))(
  '%s: a page of another site plays no film if the cookie is not partitioned by %s',
  async (one, context) => {
    const options = { cookie: true, partitioned: false };
    const { segments, asked } = await openFilm(one, context, options);
    // hls.js may end the other requests, which nginx logs with 499.
    const denied = segments.map((name) => `/media/film/${name} 401`);
    await expect.poll(() => asked(1, '')).toContainEqual(expect.toBeOneOf(denied));
    expect(await asked(1)).toEqual(['/media/film/index.m3u8?token=*** 200']);
  },
);
