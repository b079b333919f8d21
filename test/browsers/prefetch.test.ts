import { expect, onTestFinished, test } from 'vitest';
import { waitForLines } from '../clients/site-log.ts';
import { stateOf, usedOnceFrom } from '../clients/state.ts';
import type { BrowserName } from '../harness/browser.ts';
import { startSite } from '../support/site.ts';
import { cases, openBrowser } from './browser.ts';
import { link, pageOf, pagesLocation } from './pages.ts';

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

test.for(cases)('%s: a prefetch takes no use by %s', async ([name, mode], context) => {
  const browser = await openBrowser(name, context);
  const site = await startSite({ mode, files: { 'a.bin': 'hello' }, locations: pagesLocation });
  onTestFinished(() => site.stop());
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
