// The script of a listing: it replaces nginx's list by a table, and saves all files as one ZIP. The names in it are set
// as text only. Without this script, nginx's list remains.
import { folded, type Kind, kindOf, type ListingEntry, sizeText, wgetLine } from './names.ts';
import { button, element, fill, locales, texts } from './show.ts';
import { readListing, saving } from './zip.ts';

/** Lines in a square of 24 by 24. */
const ICONS: Readonly<Record<Kind, string>> = {
  folder: 'M3 19V5h6l2 3h10v11z',
  image: 'M3 5h18v14H3zm0 11 5-5 4 4 3-3 6 6M16 9h.1',
  video: 'M3 5h18v14H3zm7 4v6l5-3z',
  audio:
    'M9 18V6l10-2v12M9 18a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0m10-2a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0',
  archive: 'M4 4h16v16H4zm8 0v2m0 2v2m0 2v4',
  text: 'M6 3h8l4 4v14H6zm3 9h6m-6 4h6',
  file: 'M6 3h8l4 4v14H6z',
};

const collator = new Intl.Collator(locales, { numeric: true });
const two = '2-digit';
const dates = new Intl.DateTimeFormat(locales, { year: 'numeric', month: two, day: two });
const clock = new Intl.DateTimeFormat(locales, { timeStyle: 'short' });
const wholeDates = new Intl.DateTimeFormat(locales, { dateStyle: 'long', timeStyle: 'short' });

type Compare = (a: ListingEntry, b: ListingEntry) => number;

const byName: Compare = (a, b) => collator.compare(a.name, b.name);

const COLUMNS: ReadonlyArray<readonly [heading: string, compare: Compare]> = [
  [texts.name, byName],
  [texts.size, (a, b) => a.size - b.size],
  [texts.modified, (a, b) => Number(a.modified ?? 0) - Number(b.modified ?? 0)],
];

type Rows = ReadonlyMap<ListingEntry, HTMLTableRowElement>;

/** A table that a click on a heading sorts. Folders come first, and the total of the files is below. */
function table(rows: Rows): HTMLTableElement {
  const entries = [...rows.keys()];
  const body = element('tbody', {});
  const headings = COLUMNS.map(([text, compare]) => {
    const heading = element('th', { scope: 'col' });
    heading.append(button(text, () => sortBy(heading, compare)));
    return heading;
  });

  function sortBy(heading: HTMLElement, compare: Compare): void {
    const sign = heading.ariaSort === 'ascending' ? -1 : 1;
    for (const one of headings) one.removeAttribute('aria-sort');
    heading.setAttribute('aria-sort', sign === 1 ? 'ascending' : 'descending');
    const sorted = [...entries].sort(
      (a, b) => Number(b.isFolder) - Number(a.isFolder) || sign * compare(a, b) || byName(a, b),
    );
    body.replaceChildren(...sorted.map((entry) => rows.get(entry) as Node));
  }

  sortBy(headings[0] as HTMLElement, byName);
  const head = element('thead', {}, element('tr', {}, ...headings));
  return element('table', {}, head, body, element('tfoot', {}, total(entries)));
}

/** From this number of entries on, a field filters them. */
const MIN_FILTERED = 50;

/** A field that hides each row whose name does not contain its text. */
function filter(rows: Rows): HTMLElement {
  const found = element('p', { role: 'status', className: 'soft' });
  const input = element('input', { type: 'search', autocomplete: 'off' });
  input.oninput = () => {
    const text = folded(input.value);
    let files = 0;
    for (const [{ name }, row] of rows) {
      row.hidden = !folded(name).includes(text);
      if (!row.hidden) files += 1;
    }
    found.textContent = text && fill(texts.found, { files, all: rows.size });
  };
  return element('div', {}, element('label', {}, texts.filter, input), found);
}

function total(entries: readonly ListingEntry[]): HTMLTableRowElement {
  const files = entries.filter(({ isFolder }) => !isFolder);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const cells = [fill(texts.total, { files: files.length }), sizeText(bytes, locales), ''];
  return element('tr', {}, ...cells.map((text) => element('td', {}, text)));
}

function row(entry: ListingEntry): HTMLTableRowElement {
  const { url, name, isFolder, size, modified } = entry;
  const link = element('a', { href: url.href, dir: 'auto' }, name);
  let time: HTMLElement | string = '';
  if (modified !== undefined) {
    // A phone shows only the date.
    const hour = element('span', {}, ` ${clock.format(modified)}`);
    time = element('time', { dateTime: modified.toISOString() }, dates.format(modified), hour);
  }
  return element(
    'tr',
    {},
    element('td', {}, icon(kindOf(entry)), link),
    element('td', {}, isFolder ? '' : sizeText(size, locales)),
    element('td', {}, time),
  );
}

function icon(kind: Kind): SVGElement {
  const namespace = 'http://www.w3.org/2000/svg';
  const made = document.createElementNS(namespace, 'svg');
  made.setAttribute('viewBox', '0 0 24 24');
  made.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(namespace, 'path');
  path.setAttribute('d', ICONS[kind]);
  made.append(path);
  return made;
}

for (const time of document.querySelectorAll('time')) {
  time.textContent = wholeDates.format(new Date(time.dateTime));
}
const list = document.querySelector('pre');
const entries = readListing(document, new URL('.', location.href));
// An empty folder has a sentence already.
if (list !== null && entries.length > 0) {
  const rows = new Map(entries.map((entry) => [entry, row(entry)]));
  const shown = table(rows);
  list.replaceWith(shown);
  // With a token in the query, the links of a listing do not open.
  if (!/[?&]token=/.test(location.search)) shown.before(saving);
  if (rows.size >= MIN_FILTERED) shown.before(filter(rows));
  const line = wgetLine(new URL(location.href));
  if (line !== undefined) {
    const summary = element('summary', {}, texts.wget);
    shown.after(element('details', {}, summary, element('code', {}, line)));
  }
}
// The gate writes it above the list of nginx.
const footer = document.querySelector('footer');
if (footer !== null) document.querySelector('main')?.append(footer);
