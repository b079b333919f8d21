import { createHash } from 'node:crypto';
import { html } from 'hono/html';
import { perSecond } from '../rate-limit.ts';
import { sizeText } from './browser/names.ts';
import { readFileHeader } from './file-header.ts';
import { errorText, listingHead, lookOf, messagePage, type Shown, type Site } from './template.ts';
import {
  ENGLISH,
  LANGUAGES,
  PAGES,
  type PageName,
  type PLACEHOLDERS,
  SCRIPT_TEXTS,
  type Texts,
} from './texts.ts';

/** What the operator has set. Each text is checked by the configuration. */
export interface PageSettings extends Site {
  readonly color?: string | undefined;
  /** Texts that are added to those of Postern, by language. */
  readonly texts?: Readonly<Record<string, Partial<Texts>>> | undefined;
  /** Whole pages, by name and optional language: `invalid_token`, `invalid_token.de`. */
  readonly files?: Readonly<Record<string, string>> | undefined;
}

const SHOWN: readonly PageName[] = [...PAGES, 'listing'];

const FORM_OF: ReadonlyMap<string, Shown['form']> = new Map([
  ['confirmation_required', 'confirm'],
  ['pin_required', 'pin'],
  ['pin_wrong', 'pin_wrong'],
]);

/**
 * Pages of denials per second of an instance. nginx has a plain sentence for the others. Pages with a form and listings
 * have no limit: they need a valid token, and a requester that floods them must not hide those of other people.
 */
export const MAX_PAGES = 500;

const MINUTE: Intl.DateTimeFormatOptions = {
  ...{ year: 'numeric', month: 'long', day: 'numeric', hour: '2-digit', minute: '2-digit' },
  hourCycle: 'h23',
  ...{ timeZone: 'UTC', timeZoneName: 'short' },
};

export interface PageRequest {
  readonly code?: string | undefined;
  /** What the gate said that the page shows. */
  readonly file?: string | undefined;
  /** `Accept-Language` of the browser. */
  readonly languages?: string | undefined;
  /** nginx's `$request_id`. */
  readonly requestId?: string | undefined;
}

export interface WrittenPage {
  /** Names and values in turn, as Node.js accepts them. */
  readonly headers: readonly string[];
  readonly body: string;
}

interface Language {
  readonly texts: Texts;
  readonly dates: Intl.DateTimeFormat;
}

/** nginx's `$request_id`. Nobody who uploads a file or makes a link can know it, so it can be the nonce of a script. */
const NONCE = /^[0-9a-f]{32}$/;

/** Returns the function that writes a page; undefined if there are too many. `script` is that of a listing. */
export function createPages(
  settings: PageSettings = {},
  script = '',
  now = () => performance.now(),
) {
  const look = lookOf(settings, settings.color);
  const headersOf = pageHeaders(`<style>${look.css}</style>`);
  const own = new Map(
    Object.entries(settings.files ?? {}).map(([name, text]) => [name, ownPage(text)]),
  );
  const languages = new Map<string, Language>();
  for (const name of new Set([...LANGUAGES.keys(), ...Object.keys(settings.texts ?? {})])) {
    const texts = { ...ENGLISH, ...LANGUAGES.get(name), ...settings.texts?.[name] } as Texts;
    languages.set(name, { texts, dates: new Intl.DateTimeFormat(name, MINUTE) });
  }
  const isAllowed = perSecond(MAX_PAGES, now);

  return function pageFor(asked: PageRequest): WrittenPage | undefined {
    const { code = '', requestId = '' } = asked;
    const form = FORM_OF.get(code);
    // Another code is `denied`, so a page never shows a text of the request but the name of the file.
    const page = form === 'pin_wrong' ? 'pin_required' : code;
    const name = SHOWN.find((one) => one === page) ?? 'denied';
    if (form === undefined && name !== 'listing' && !isAllowed()) return undefined;
    const language = languageOf(asked.languages, languages);
    const { texts, dates } = languages.get(language) as Language;
    const words = form || name === 'listing' ? asked.file : '';
    const { until, size, ...more } = readFileHeader(words, form === undefined);
    const { opens } = more;
    const nonce = NONCE.test(requestId) ? requestId : undefined;
    const shown: Shown = {
      ...{ language, texts, form, nonce, ...more },
      size: size >= 0 ? sizeText(size, language) : '',
      page: opens && name === 'confirmation_required' ? texts[`open_${opens}`] : texts[name],
      until: until === undefined ? until : { iso: until, text: dates.format(new Date(until)) },
    };
    if (name === 'listing') {
      const used = SCRIPT_TEXTS.map((text) => [text, texts[text]]);
      const body = listingHead(shown, look, script, JSON.stringify(Object.fromEntries(used)));
      return { headers: headersOf(form), body };
    }
    const write = own.get(`${name}.${language}`) ?? own.get(name);
    if (write !== undefined) return write(shown, settings);
    return { headers: headersOf(form, nonce), body: messagePage(shown, look) };
  };
}

/** Characters of `Accept-Language` that are read. Browsers send a few languages, and a requester could send 8,000. */
const MAX_ACCEPTED = 256;

/** The first language in `Accept-Language` that has texts. Browsers list them in the order of preference. */
function languageOf(accepted = '', languages: ReadonlyMap<string, Language>): string {
  const read = accepted.slice(0, MAX_ACCEPTED);
  for (const [, tag = ''] of read.matchAll(/(?:^|,) *([a-z]{2,3})(?=[-,; ]|$)/gi)) {
    if (languages.has(tag.toLowerCase())) return tag.toLowerCase();
  }
  return 'en';
}

/**
 * The headers of a page. The browser applies only the page's own styles and a script with the nonce. With `no-referrer`, it
 * would send `Origin: null` with a form, and the gate would refuse the form.
 */
function pageHeaders(page: string) {
  const styles = [...page.matchAll(/<style>([\s\S]*?)<\/style>/g)].map(([, css = '']) => {
    return `'sha256-${createHash('sha256').update(css).digest('base64')}'`;
  });
  const policy =
    `default-src 'none'; style-src ${styles.join(' ') || "'none'"}; img-src 'self' data:; ` +
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
  const shared = [
    ...['Content-Type', 'text/html; charset=utf-8', 'Cache-Control', 'no-store'],
    ...['X-Content-Type-Options', 'nosniff', 'X-Robots-Tag', 'noindex'],
  ];
  return (form: Shown['form'], nonce?: string) => [
    ...[...shared, 'Referrer-Policy', form ? 'same-origin' : 'no-referrer'],
    'Content-Security-Policy',
    form && nonce ? `${policy}; script-src 'nonce-${nonce}'` : policy,
  ];
}

/** A page of the operator: HTML with the names of texts, which are escaped. */
function ownPage(text: string) {
  const headersOf = pageHeaders(text);
  return (shown: Shown, site: Site): WrittenPage => {
    const { language, page, form, file, size, sender, until } = shown;
    const [title = '', ...paragraphs] = page;
    const values: Readonly<Record<(typeof PLACEHOLDERS)[number], string>> = {
      ...{ language, title, site: site.name ?? '', text: paragraphs.join(' ') },
      ...{ file, size, sender, until: until?.text ?? '', error: errorText(shown) },
    };
    const escaped = (_: string, name: keyof typeof values) => `${html`${values[name]}`}`;
    return { headers: headersOf(form), body: text.replace(/\{\{([a-z]+)\}\}/g, escaped) };
  };
}
