// The script of a list: it replaces nginx's list by a table, and saves all files as one ZIP. The names in it are set
// as text only. Without this script, nginx's list remains.
import { type ListEntry, wgetLine } from './names.ts';
import { showSave } from './save.ts';
import { element, localesOf, readTexts } from './show.ts';
import { table } from './table.ts';
import { readList } from './zip.ts';

function show(list: Element, entries: readonly ListEntry[]): void {
  const texts = readTexts();
  list.replaceWith(table(entries, texts, localesOf()));
  // With a token in the query, the links of the list do not open.
  if (!/[?&]token=/.test(location.search)) document.querySelector('h1')?.after(showSave(texts));
  const line = wgetLine(new URL(location.href));
  if (line === undefined) return;
  const details = element('details');
  details.append(element('summary', texts.wget), element('code', line));
  document.querySelector('table')?.after(details);
}

const list = document.querySelector('pre');
const entries = readList(document, new URL('.', location.href));
// An empty folder has a sentence already.
if (list !== null && entries.length > 0) show(list, entries);
