import { expect, onTestFinished, test } from 'vitest';
import { waitForLines } from '../clients/site-log.ts';
import { revoke } from '../clients/state.ts';
import { startSite } from '../support/site.ts';
import { cases, openBrowser } from './browser.ts';
import { pageOf, pagesLocation } from './pages.ts';

const OUTER = '/download/hls/';
const INNER = '/download/hls/sub/';

test.for(cases)(
  '%s: keeps the cookies of two nested folders by %s',
  async ([name, mode], context) => {
    const browser = await openBrowser(name, context);
    const files = { 'hls/a.txt': 'outer', 'hls/sub/b.txt': 'inner' };
    const site = await startSite({ mode, files, locations: pagesLocation });
    onTestFinished(() => site.stop());
    const read = async (uri: string) => {
      const page = await browser.open(site.nginx.url(uri));
      return page.evaluate('document.body.innerText');
    };
    const own = await browser.open(await pageOf(site, 'A page of the site'));
    /** The same by a script, which is faster. */
    const load = (uri: string) =>
      own.evaluate(`fetch(${JSON.stringify(uri)}).then((response) => response.text())`);
    const denied = expect.stringContaining('This link no longer works');
    /** The file that each token was used for, when the log has as many lines as expected. */
    const asked = async (id: string, count: number) => {
      const lines = await waitForLines(site, id, ({ length }) => length >= count);
      return lines.map(({ request, status }) => `${request.split(/[ ?]/)[1]} ${status}`);
    };
    /** Both cookies, with the first use of each. */
    const open = async () => {
      const outer = await site.issue({ prefix: OUTER, cookie: true });
      const inner = await site.issue({ prefix: INNER, cookie: true });
      expect(await load(`${OUTER}a.txt?token=${outer.access_token}`)).toBe('outer');
      expect(await load(`${INNER}b.txt?token=${inner.access_token}`)).toBe('inner');
      return { outer: outer.id, inner: inner.id };
    };
    const a = `${OUTER}a.txt`;
    const b = `${INNER}b.txt`;

    const first = await open();
    expect(await load(a)).toBe('outer');
    expect(await load(b)).toBe('inner');
    await revoke(site, first.inner);
    expect(await read(b)).toBe('inner');
    expect(await asked(first.outer, 3)).toEqual([`${a} 200`, `${a} 200`, `${b} 200`]);
    expect(await asked(first.inner, 2)).toEqual([`${b} 200`, `${b} 200`]);

    const second = await open();
    await revoke(site, second.outer);
    expect(await read(b)).toBe('inner');
    expect(await read(a)).toEqual(denied);
    expect(await asked(second.inner, 2)).toEqual([`${b} 200`, `${b} 200`]);
    expect(await asked(second.outer, 2)).toEqual([`${a} 200`, `${a} 401`]);
  },
);
