import de from './de.json' with { type: 'json' };
import en from './en.json' with { type: 'json' };
import es from './es.json' with { type: 'json' };
import fr from './fr.json' with { type: 'json' };

/** The texts of a language. A page is its title and its paragraphs. */
export type Texts = Readonly<typeof en>;

/** The languages that Postern has. Another one is a file with the texts of en.json, and its name here. */
export const LANGUAGES: ReadonlyMap<string, Texts> = new Map(Object.entries({ en, de, es, fr }));

export const ENGLISH: Texts = en;

/** The names of the texts that are pages. */
export type PageName = { [K in keyof Texts]: Texts[K] extends string ? never : K }[keyof Texts];

/** A listing, which nginx writes, and texts that replace those of confirmation_required for a file or a folder that opens. */
const OTHERS: readonly string[] = ['listing', 'open_file', 'open_folder'];

/** The names of the pages that a file of the operator can replace. */
export const PAGES = Object.keys(en).filter(
  (name): name is PageName => Array.isArray(en[name as keyof Texts]) && !OTHERS.includes(name),
);

/** The names of the texts that the script of a listing shows. */
export const SCRIPT_TEXTS = [
  ...(['name', 'size', 'modified', 'wget', 'zip', 'stop', 'counting', 'progress'] as const),
  ...(['total', 'filter', 'found'] as const),
  ...(['saved', 'missing', 'stopped', 'failed', 'memory', 'limit'] as const),
] as const;

export type ScriptTexts = Pick<Texts, (typeof SCRIPT_TEXTS)[number]>;

/** The names that a page of the operator can contain: `{{title}}`. */
export const PLACEHOLDERS = [
  'language',
  'site',
  'title',
  'text',
  'file',
  'size',
  'sender',
  'until',
  'error',
] as const;
