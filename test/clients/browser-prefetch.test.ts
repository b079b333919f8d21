import { expect, onTestFinished, test } from 'vitest';
import { startSite, ways } from '../support/site.ts';
import { startBrowser } from './browser.ts';
import { link, pageOf, pagesLocation } from './pages.ts';
import { waitForLines } from './site-log.ts';
import { stateOf, usedOnceFrom } from './state.ts';

const hints: Readonly<Record<string, (url: string) => string>> = {
  link: (url) => `<link rel="prefetch" href="${url}">`,
  prefetch: (url) => rules({ prefetch: [{ urls: [url], eagerness: 'immediate' }] }),
  prerender: (url) => rules({ prerender: [{ urls: [url], eagerness: 'immediate' }] }),
};

// https://developer.mozilla.org/en-US/docs/Web/API/Speculation_Rules_API
function rules(speculation: object): string {
  return `<script type="speculationrules">${JSON.stringify(speculation)}</script>`;
}

test.for(ways)('Chromium: a prefetch takes no use by %s', async (way, context) => {
  const browser = await startBrowser(context);
  const site = await startSite({ way, files: { 'a.bin': 'hello' }, locations: pagesLocation });
  onTestFinished(() => site.stop());
  const kinds = Object.entries(hints);
  const issue = async ([name, hint]: (typeof kinds)[0]) => {
    const once = { path: '/download/a.bin', filename: `${name}.bin`, max_uses: 1 };
    const { id, url } = await site.issue(once);
    return { id, name, html: hint(url) + link(name, url) };
  };
  const issued = await Promise.all(kinds.map(issue));

  const page = await browser.open(await pageOf(site, issued.map(({ html }) => html).join('')));

  for (const { id } of issued) {
    const ahead = await waitForLines(site, id, ({ length }) => length > 0);
    expect(ahead).toMatchObject([{ status: 403, code: 'prefetch' }]);
    expect(await stateOf(site, id)).toMatchObject({ uses_left: 1, requesters: [] });
  }
  for (const { id, name } of issued) {
    await page.click(`#${name}`);
    expect(await browser.downloaded()).toBe(`${name}.bin`);
    expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
  }
});
