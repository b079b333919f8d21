import type { RequestListener } from 'node:http';
import { expect, test } from 'vitest';
import { modes, siteForTest } from '../support/site.ts';
import { BROWSER, links, withListing } from './listed.ts';

// The site turns everything on that could list a folder, and has no listing.conf.
test.each(modes)('listing: by %s a site without the snippet never lists', async (mode) => {
  const site = await siteForTest({
    mode,
    ...withListing(mode, ''),
    files: { 'hls/a.txt': 'file a', 'hls/index.html': 'index' },
    http: 'autoindex on;',
    server: 'autoindex on;',
  });
  const { url } = await site.issue({ prefix: '/download/hls/', listing: true });
  const answer = await site.ask('GET', url, BROWSER);
  expect(answer.status).toBe(404);
  expect(answer.text).not.toMatch(/a\.txt|protected/);
  const page = await site.issue({ prefix: '/download/hls/', index: true });
  expect((await site.ask('GET', page.url, BROWSER)).text).toBe('index');
});

test.each(modes)(
  'listing: by %s the list opens without its head if the gate cannot write it',
  async (mode) => {
    const pages: Readonly<Record<string, RequestListener>> = {
      down: (request) => request.socket.destroy(),
      limited: (_, response) => response.writeHead(503).end('the text of the gate'),
    };
    for (const [name, onPage] of Object.entries(pages)) {
      const target = '/protected/hls/';
      const site = await siteForTest({
        mode,
        ...withListing(mode),
        files: { 'hls/a.txt': 'file a' },
        gate(request, response) {
          if (request.url === '/page') return onPage(request, response);
          const targets = { 'Postern-Target': target, 'X-Accel-Redirect': target };
          const headers = { ...targets, 'Postern-File': 'list hls' };
          response.writeHead(mode === 'X-Accel' ? 200 : 204, headers).end();
        },
      });
      const answer = await site.ask('GET', '/download/hls/', BROWSER);
      expect([name, answer.status]).toEqual([name, 200]);
      expect(links(answer.text, '/download/hls/')).toEqual(['/download/hls/a.txt']);
      expect(answer.text).toMatch(/^<html>\r\n<head>(?:\r\n)?<title><\/title>/);
      expect(answer.text).not.toMatch(/protected|Index of|cannot be opened|the text of the gate/);
    }
  },
);

// A gate with an error, or another service: the snippet checks the URI, too.
test.each(modes)('listing: by %s nginx lists only what the gate names as a list', async (mode) => {
  let headers: Record<string, string> = {};
  const gate: RequestListener = (_, response) => {
    response.writeHead(mode === 'X-Accel' ? 200 : 204, { ...headers, 'Content-Length': '0' }).end();
  };
  const site = await siteForTest({
    mode,
    gate,
    ...withListing(mode),
    files: { 'hls/a.txt': 'file a' },
    locations: 'location = /inside { rewrite ^ /protected/hls/ last; }',
  });
  const folder = { 'Postern-Target': '/protected/hls/', 'X-Accel-Redirect': '/protected/hls/' };
  const ask = async (path: string, told: Record<string, string>) => {
    headers = told;
    const { status, text } = await site.ask('GET', path, BROWSER);
    return [status, text.includes('a.txt')];
  };
  const list = { ...folder, 'Postern-File': 'list hls' };
  expect(await ask('/download/hls/', list)).toEqual([200, true]);
  expect(await ask('/download/hls/', folder)).toEqual([404, false]);
  for (const other of ['listed', '', 'x list', 'List', '2026-11-26T07:05:58Z list']) {
    const told = { ...folder, 'Postern-File': other };
    expect(await ask('/download/hls/', told)).toEqual([404, false]);
  }
  expect(await ask('/inside', list)).toEqual([404, false]);
  expect((await ask('/protected/hls/', list))[1]).toBe(false);
});
