import { html, raw } from 'hono/html';
import type { Texts } from './texts.ts';

/** What a page shows. The library escapes each text. */
export interface Shown {
  readonly language: string;
  readonly texts: Texts;
  /** The title, and the paragraphs below it. */
  readonly page: readonly string[];
  readonly form?: 'confirm' | 'pin' | 'pin_wrong' | undefined;
  /** The name of the file, or the path of the folder. */
  readonly file: string;
  /** Until when the link works, for machines and for people. */
  readonly until?: { readonly iso: string; readonly text: string } | undefined;
}

/** What the operator has set for every page. */
export interface Site {
  readonly name?: string | undefined;
  /** A `data:` URL. */
  readonly logo?: string | undefined;
  readonly links?: ReadonlyArray<{ readonly text: string; readonly url: string }> | undefined;
}

const ARROW = raw(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="32" height="32" aria-hidden="true"><path fill="none" stroke="currentColor" stroke-width="2.5" stroke-linecap="round" stroke-linejoin="round" d="M5 28V14a11 11 0 0 1 22 0v14M2 28h28M16 10v9m-4-4 4 4 4-4"/></svg>',
);

function top(
  { language, form, file }: Shown,
  title: string,
  { name = '', logo }: Site,
  css: string,
) {
  const own = logo === undefined ? name : html`<img src="${logo}" alt="${name}">`;
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title}</title>
${form && html`<meta property="og:title" content="${file}">`}
<style>${raw(css)}</style>
</head>
<body>
<main>
<div class="logo">${own === '' ? ARROW : own}</div>
<h1>${title}</h1>`;
}

/** A page that replaces a denial, or asks for a confirmation. */
export function denialPage(shown: Shown, site: Site, css: string): string {
  const { page, texts, form, file, until } = shown;
  const [title = '', ...paragraphs] = page;
  const [before, after] = texts.until.split('{until}');
  const wrong = form === 'pin_wrong';
  return `${html`${top(shown, title, site, css)}
${form && file && html`<p class="file"><bdi>${file}</bdi></p>`}
${paragraphs.map((text) => html`<p>${text}</p>\n`)}
${until && html`<p class="soft">${before}<time datetime="${until.iso}">${until.text}</time>${after}</p>`}
${
  form &&
  html`<form method="post">
${
  form !== 'confirm' &&
  html`<label for="pin">PIN</label>
${wrong && html`<p class="error" id="wrong">${texts.wrong}</p>`}
<input id="pin" name="pin" type="text" autocomplete="off" autocapitalize="off" spellcheck="false" minlength="4" maxlength="24" required${wrong && raw(' aria-invalid="true" aria-describedby="wrong"')}>`
}
<button>${texts.download}</button>
</form>`
}
${site.links && html`<footer>${site.links.map(({ text, url }) => html`<a href="${url}" rel="noreferrer">${text}</a>`)}</footer>`}
</main>
</body>
</html>
`}`;
}

/** The start of the list of a folder. nginx appends the list, and its own `<html>`, which a browser ignores. */
export function listHead(shown: Shown, site: Site, css: string): string {
  const { texts, page, file } = shown;
  return `${html`${top({ ...shown, form: undefined }, file || (page[0] ?? ''), site, css)}
${file.includes('/') && html`<p><a href="../">${texts.up}</a></p>`}
`}`;
}
