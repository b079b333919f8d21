import { html, raw } from 'hono/html';
import type { Texts } from './texts.ts';

/** What a page shows. The library escapes each text. */
export interface Shown {
  readonly language: string;
  readonly texts: Texts;
  /** The title, and the paragraphs below it. */
  readonly page: readonly string[];
  readonly form?: 'confirm' | 'pin' | 'pin_wrong' | undefined;
  /** After the form the browser shows a folder or a file, instead of saving a file. */
  readonly opens?: 'folder' | 'file' | undefined;
  /** The browser has confirmed before, and did not keep the cookie. */
  readonly unkept: boolean;
  /** For the script of the page. Absent: it has none. */
  readonly nonce?: string | undefined;
  /** The name of the file, or the path of the folder. */
  readonly file: string;
  /** In the page's language; empty: not known. */
  readonly size: string;
  /** Who sends the file; may be empty. */
  readonly sender: string;
  /** Attempts to enter the PIN; NaN: not known. */
  readonly left: number;
  /** The end of the link, for machines and for people. */
  readonly until?: { readonly iso: string; readonly text: string } | undefined;
}

/** What the operator has set for every page. */
export interface Site {
  readonly name?: string | undefined;
  /** A `data:` URL. */
  readonly logo?: string | undefined;
  readonly links?: ReadonlyArray<{ readonly text: string; readonly url: string }> | undefined;
}

interface Look extends Site {
  readonly css: string;
  /** A `data:` URL, so that no browser requests /favicon.ico. */
  readonly icon: string;
}

/** An arrow into a gate, in the color. */
const arrow = (color: string) =>
  `<path fill="none" stroke="${color}" stroke-width="2.5" stroke-linecap="round" stroke-linejoin="round" d="M5 28V14a11 11 0 0 1 22 0v14M2 28h28M16 10v9m-4-4 4 4 4-4"/></svg>`;

const ARROW = raw(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="32" height="32" aria-hidden="true">${arrow('currentColor')}`,
);

/** Shows times in the reader's zone, and says after the click that the download has started. */
const CONFIRM_SCRIPT = raw(`
for (const time of document.querySelectorAll('time')) {
  const { lang } = document.documentElement;
  const locales = [...navigator.languages.filter((one) => one.split('-')[0] === lang), lang];
  const style = { dateStyle: 'long', timeStyle: 'short' };
  time.textContent = new Date(time.dateTime).toLocaleString(locales, style);
}
document.addEventListener('submit', () => {
  const started = document.querySelector('[data-started]');
  // After another wrong PIN, a new page appears before. After the right one, the old error would remain.
  if (started) setTimeout(() => {
    started.textContent = started.dataset.started;
    for (const error of document.querySelectorAll('.error')) error.remove();
    document.querySelector('[aria-invalid]')?.removeAttribute('aria-invalid');
    document.title = document.querySelector('h1').textContent;
  }, 1000);
});
`);

/** A page says how many attempts are left from this number on. */
const FEW_ATTEMPTS = 3;

/** What a page says after a wrong PIN; empty without one. */
export function errorText({ texts, form, left }: Shown): string {
  if (form !== 'pin_wrong') return '';
  return left <= FEW_ATTEMPTS
    ? `${texts.wrong} ${texts.left.replace('{left}', `${left}`)}`
    : texts.wrong;
}

function top(
  { language, texts, form, file }: Shown,
  title: string,
  { name = '', logo, icon }: Look,
  style: ReturnType<typeof html>,
) {
  const own = logo === undefined ? name : html`<img src="${logo}" alt="${name}">`;
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${form === 'pin_wrong' ? `${texts.error} ${title}` : title}</title>
<link rel="icon" href="${logo ?? icon}">
${form && html`<meta property="og:title" content="${file}">`}
${style}
</head>
<body>
<main>
<div class="logo">${own === '' ? ARROW : own}</div>
<h1>${title}</h1>`;
}

/** A page that replaces a denial, or asks for a confirmation. */
export function messagePage(shown: Shown, look: Look): string {
  const { page, texts, form, opens, nonce, file, size, sender, unkept } = shown;
  const [title = '', ...paragraphs] = page;
  const wrong = errorText(shown);
  return `${html`${top(shown, title, look, html`<style>${raw(look.css)}</style>`)}
${form && unkept && html`<p class="error">${texts.unkept}</p>`}
${form && file && html`<p class="file"><bdi>${file}</bdi></p>`}
${size && html`<p class="soft">${size}</p>`}
${sender && html`<p class="soft">${around(texts.sender, 'sender', html`<bdi>${sender}</bdi>`)}</p>`}
${paragraphs.map((text) => html`<p>${text}</p>\n`)}
${untilLine(shown)}
${form && nonce && html`<script nonce="${nonce}">${CONFIRM_SCRIPT}</script>`}
${
  form &&
  html`<form method="post">
${
  form !== 'confirm' &&
  html`<label for="pin">PIN</label>
${wrong && html`<p class="error" id="wrong">${wrong}</p>`}
<input id="pin" name="pin" type="text" autocomplete="off" autocapitalize="off" spellcheck="false" minlength="4" maxlength="24" required${wrong && raw(' autofocus aria-invalid="true" aria-describedby="wrong"')}>`
}
<button>${opens ? texts.open : texts.download}</button>
</form>
${!opens && html`<p role="status" data-started="${texts.started}"></p>`}`
}
${footer(look)}
</main>
</body>
</html>
`}`;
}

function untilLine({ texts, until }: Shown) {
  const time = until && html`<time datetime="${until.iso}">${until.text}</time>`;
  return time && html`<p class="soft">${around(texts.until, 'until', time)}</p>`;
}

/** A text with an element in the place of its placeholder. */
function around(text: string, placeholder: string, element: ReturnType<typeof html>) {
  const [before, after] = text.split(`{${placeholder}}`);
  return html`${before}${element}${after}`;
}

function footer({ links }: Site) {
  const linkOf = ({ text, url }: { readonly text: string; readonly url: string }) =>
    html`<a href="${url}" rel="noreferrer">${text}</a>`;
  return links && html`<footer>${links.map(linkOf)}</footer>`;
}

/**
 * The start of the listing of a folder. nginx appends its list of files, and its own `<html>`, which a browser ignores.
 * The script is in the page, so it needs no path that a proxy must pass on. As a module it starts after that list.
 */
export function listingHead(shown: Shown, look: Look, script: string, scriptTexts: string): string {
  const { texts, page, nonce, file } = shown;
  const style = html`<style nonce="${nonce}">${raw(look.css)}</style>`;
  return `${html`${top(shown, file || (page[0] ?? ''), look, style)}
${file.includes('/') && html`<p><a href="../">${texts.up}</a></p>`}
${untilLine(shown)}
<p class="empty">${texts.empty}</p>
${footer(look)}
${nonce && html`<script type="module" nonce="${nonce}" data-texts="${scriptTexts}">${raw(script)}</script>`}
`}`;
}

/** The accent of a site that sets no color. */
const ACCENT = '#1d4ed8';

/** The look of every page. `accent` is the color of the button, `#rrggbb`. */
export function lookOf(site: Site, accent = ACCENT): Look {
  const square = `<rect x="-6" y="-6" width="44" height="44" rx="9" fill="${accent}"/>`;
  const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-6 -6 44 44">${square}${arrow(readableOn(accent))}`;
  return { ...site, css: styleOf(accent), icon: `data:image/svg+xml,${encodeURIComponent(icon)}` };
}

function styleOf(accent: string): string {
  return `:root {
  color-scheme: light dark;
  --back: #f4f5f7; --card: #fff; --text: #1c2430; --soft: #4a5565; --line: #c9d0da; --error: #b42318;
  --accent: ${accent}; --on-accent: ${readableOn(accent)};
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #12161c; --card: #1b212a; --text: #eef1f5; --soft: #b4bdca; --line: #45505f; --error: #ffa198;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--back); color: var(--text);
  font: 1.0625rem / 1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main {
  width: calc(100% - 2rem); max-width: 36rem; margin: 8vh auto; padding: 2rem; overflow-wrap: anywhere;
  background: var(--card); border: 1px solid var(--line); border-radius: 0.75rem;
}
.logo { margin: 0 0 1.25rem; font-weight: 600; }
.logo svg, .logo img { display: block; height: 2rem; max-width: 100%; }
h1 { margin: 0 0 0.75rem; font-size: 1.5rem; line-height: 1.25; }
p { margin: 0 0 1rem; }
.file { font-weight: 600; unicode-bidi: isolate; }
.soft, footer { color: var(--soft); }
.file:has(+ .soft), .soft:has(+ .soft) { margin: 0; }
.error { color: var(--error); font-weight: 600; }
footer { padding-top: 1rem; border-top: 1px solid var(--line); font-size: 0.9375rem; }
footer a { margin-inline-end: 1rem; }
form { margin: 0 0 1rem; }
label { display: block; margin: 0 0 0.375rem; font-weight: 600; }
label input { margin-top: 0.375rem; }
input, button { min-height: 2.75rem; font: inherit; border-radius: 0.5rem; }
input {
  display: block; width: 100%; max-width: 16rem; padding: 0.5rem 0.75rem; margin: 0 0 1rem;
  color: inherit; background: var(--card); border: 1px solid var(--soft); font-weight: 400;
}
button {
  padding: 0.5rem 1.5rem; font-weight: 600; cursor: pointer;
  color: var(--on-accent); background: var(--accent); border: 1px solid transparent;
}
a { color: inherit; }
:focus-visible { outline: 3px solid; outline-offset: 2px; }
p:empty { margin: 0; }
pre { margin: -1rem 0 0; white-space: pre-line; line-height: 1.9; font-size: 0.9375rem; }
main:has(pre, table) { max-width: 56rem; }
h1 ~ h1, hr, pre a[href="../"], .empty { display: none; }
main:has(pre > a:only-child) .empty { display: block; }
.zip button, progress { margin: 0 0 1rem; }
progress { width: 100%; accent-color: var(--accent); }
table { width: 100%; margin: 0 0 1rem; border-collapse: collapse; font-size: 0.9375rem; }
th, td { padding: 0.5rem 0 0.5rem 1rem; text-align: end; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { width: 100%; padding-inline-start: 0; text-align: start; }
th { padding-block: 0; white-space: nowrap; }
th button { padding: 0; color: inherit; background: none; }
th[aria-sort="ascending"] button::after { content: " \\2191"; }
th[aria-sort="descending"] button::after { content: " \\2193"; }
td svg {
  width: 1.25em; height: 1.25em; margin-inline-end: 0.5em; vertical-align: -0.25em;
  fill: none; stroke: var(--soft); stroke-width: 1.5; stroke-linejoin: round;
}
td + td { white-space: nowrap; }
tfoot td { border: 0; }
details { margin: 0 0 1rem; }
code { display: block; margin-top: 0.5rem; font-size: 0.9375rem; user-select: all; }
main > :last-child { margin-bottom: 0; }
@media (min-width: 56rem) { pre { white-space: pre; } }
@media (width < 56rem) {
  pre { word-spacing: 1.5rem; color: var(--soft); line-height: 1.5; }
  pre a { display: block; margin-top: 0.75rem; word-spacing: 0; color: var(--text); }
}
@media (max-width: 38rem) {
  main { width: auto; min-height: 100vh; margin: 0; padding: 1.5rem; border: 0; border-radius: 0; }
  td span { display: none; }
}`;
}

/** Black or white, whichever has the higher contrast: it is at least 4.5:1 for every color (WCAG 2.2). */
function readableOn(color: string): string {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? '#000' : '#fff';
}
