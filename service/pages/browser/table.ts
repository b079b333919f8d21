import type { ScriptTexts } from '../texts.ts';
import { type Kind, kindOf, type ListEntry } from './names.ts';
import { button, element, sizeText } from './show.ts';

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

type Column = 'name' | 'size' | 'modified';

/** A table that a click on a heading sorts. Folders come first. */
export function table(
  entries: readonly ListEntry[],
  texts: ScriptTexts,
  locales: string[],
): HTMLTableElement {
  const made = element('table');
  const collator = new Intl.Collator(locales, { numeric: true });
  const dates = new Intl.DateTimeFormat(locales, { dateStyle: 'short', timeStyle: 'short' });
  const rows = new Map(entries.map((entry) => [entry, row(entry, dates, locales)]));
  const body = made.createTBody();
  const compare: Readonly<Record<Column, (a: ListEntry, b: ListEntry) => number>> = {
    name: (a, b) => collator.compare(a.name, b.name),
    size: (a, b) => a.size - b.size,
    modified: (a, b) => Number(a.modified ?? 0) - Number(b.modified ?? 0),
  };
  const headings = new Map<Column, HTMLElement>();

  function sortBy(column: Column): void {
    const heading = headings.get(column);
    const direction = heading?.ariaSort === 'ascending' ? 'descending' : 'ascending';
    for (const one of headings.values()) one.removeAttribute('aria-sort');
    heading?.setAttribute('aria-sort', direction);
    const sign = direction === 'ascending' ? 1 : -1;
    const sorted = [...entries].sort(
      (a, b) =>
        Number(b.isFolder) - Number(a.isFolder) ||
        sign * compare[column](a, b) ||
        compare.name(a, b),
    );
    body.replaceChildren(...sorted.map((entry) => rows.get(entry) as HTMLElement));
  }

  const head = made.createTHead().insertRow();
  for (const column of ['name', 'size', 'modified'] as const) {
    const heading = element('th');
    heading.scope = 'col';
    heading.append(button(texts[column], () => sortBy(column)));
    headings.set(column, heading);
    head.append(heading);
  }
  sortBy('name');
  return made;
}

function row(entry: ListEntry, dates: Intl.DateTimeFormat, locales: string[]): HTMLTableRowElement {
  const { url, name, isFolder, size, modified } = entry;
  const made = element('tr');
  const first = made.insertCell();
  const link = element('a', name);
  link.href = url.href;
  link.dir = 'auto';
  first.append(icon(kindOf(entry)), link);
  made.insertCell().textContent = isFolder ? '' : sizeText(size, locales);
  const last = made.insertCell();
  if (modified === undefined) return made;
  const time = element('time', dates.format(modified));
  time.dateTime = modified.toISOString();
  last.append(time);
  return made;
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
