import { readable, visible } from './browser/names.ts';

// The header Postern-File, with which the gate says what a page shows. nginx sends it back with its request for the page.
// It has words, separated by spaces: for a form the time, the name, what opens, `unkept`, and others with a value
// (`size=9`); for a listing `list`, the path and the time.

/** Characters of a file name on a page. */
const MAX_NAME = 255;

const OPENS = ['folder', 'file'] as const;

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

interface Form {
  readonly file: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
  readonly opens?: (typeof OPENS)[number];
  readonly size?: number;
  readonly sender?: string;
  readonly left?: number;
}

/** @param isUnkept the browser has confirmed before, and did not keep the cookie */
export function formFile({ until, file, opens, ...more }: Form, isUnkept: boolean): string {
  const words = [timeText(until), pageText(file), ...(opens ? [opens] : [])];
  const values = Object.entries(more).map(([name, value]) => `${name}=${pageText(`${value}`)}`);
  return [...words, ...values, ...(isUnkept ? ['unkept'] : [])].join(' ');
}

/** @param until milliseconds since the epoch */
export const listingFile = (path: string, until: number) =>
  `list ${pageText(path)} ${timeText(until)}`;

/** What one of them said. A requester can also have sent it, if nginx does not use the snippets. */
export function readFileHeader(text = '', isListing: boolean) {
  const [first = '', name = '', ...more] = text.split(' ');
  const [iso = ''] = isListing ? more : [first];
  const values = new URLSearchParams(isListing ? '' : more.join('&'));
  const numberOf = (word: string) => Number.parseInt(values.get(word) ?? '', 10);
  return {
    file: readable(name) ?? '',
    until: TIME.test(iso) && !Number.isNaN(Date.parse(iso)) ? iso : undefined,
    opens: OPENS.find((one) => values.has(one)),
    unkept: values.has('unkept'),
    size: numberOf('size'),
    sender: visible(values.get('sender') ?? ''),
    left: numberOf('left'),
  };
}

/** In seconds: `2026-11-26T07:05:58Z`. */
const timeText = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** Percent-encoded. */
function pageText(name: string): string {
  const characters = [...name];
  const isLong = characters.length > MAX_NAME;
  const short = isLong ? `${characters.slice(0, MAX_NAME - 1).join('')}…` : name;
  return encodeURIComponent(short.toWellFormed());
}
