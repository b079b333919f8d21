// Pure functions on the names, addresses and sizes of a listing. Uploaders choose the names of their files, so no name
// is trusted.

export interface ListingEntry {
  readonly url: URL;
  readonly name: string;
  readonly isFolder: boolean;
  /** The size in bytes; 0 for a folder. */
  readonly size: number;
  readonly modified: Date | undefined;
}

/** What nginx writes after a link: `29-Nov-2026 10:00   3456`, in UTC. */
const DETAILS = /(\d\d)-([A-Z][a-z]{2})-(\d{4}) (\d\d:\d\d) +(-|\d+)/;

/** The entry of a link, whose text nginx shortens. Undefined if it is not a file or folder directly in this folder. */
export function entryOf(
  href: string,
  shown: string,
  details: string,
  folder: URL,
): ListingEntry | undefined {
  const url = URL.canParse(href, folder.href) ? new URL(href, folder) : folder;
  const below = url.href.startsWith(folder.href) ? url.href.slice(folder.href.length) : '';
  const [, segment, slash] = /^([^/?#]+)(\/?)$/.exec(below) ?? [];
  if (segment === undefined) return undefined;
  const [, day, month, year, time, size = ''] = DETAILS.exec(details) ?? [];
  const modified = new Date(`${day} ${month} ${year} ${time} UTC`);
  return {
    url,
    name: readable(segment) ?? visible(shown),
    isFolder: slash === '/',
    size: Number.parseInt(size, 10) || 0,
    modified: Number.isNaN(modified.getTime()) ? undefined : modified,
  };
}

/** Control characters, line separators, and characters that change the direction of text. */
const HARMFUL = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

export const visible = (name: string) => name.replace(HARMFUL, '\ufffd');

/** A percent-encoded name as a person may see it; undefined: it is not UTF-8. */
export function readable(encoded: string): string | undefined {
  try {
    return visible(decodeURIComponent(encoded));
  } catch {
    return undefined;
  }
}

/** A name for a ZIP: it cannot lead out of the folder in which a person unpacks it. */
export function cleanName(name: string): string {
  const clean = name
    .replace(HARMFUL, '_')
    .replace(/[\\/]/g, '_')
    .replace(/^([a-z]):/i, '$1_');
  // Windows ignores dots and spaces at the end, so `.. ` would be `..`.
  return /^[. ]*$/.test(clean) ? '_' : clean;
}

/**
 * The clean name, with a number if the folder has it already. Windows and macOS do not distinguish case.
 * @param used the next number of each name in the folder: thousands of names can become the same clean name
 */
export function uniqueName(name: string, used: Map<string, number>): string {
  const clean = cleanName(name);
  const [, stem = '', ending = ''] = /^(.+?)(\.[^.]*)?$/su.exec(clean) ?? [];
  for (let number = used.get(keyOf(clean)) ?? 1; ; number += 1) {
    const next = number === 1 ? clean : `${stem} (${number})${ending}`;
    if (number > 1 && used.has(keyOf(next))) continue;
    used.set(keyOf(next), 2);
    used.set(keyOf(clean), number + 1);
    return next;
  }
}

const keyOf = (name: string) => name.normalize('NFC').toLowerCase();

const KINDS: ReadonlyArray<readonly [kind: Kind, endings: RegExp]> = [
  ['image', /\.(?:avif|bmp|gif|heic|ico|jpe?g|png|svg|tiff?|webp)$/i],
  ['video', /\.(?:avi|m4v|mkv|mov|mp4|mpe?g|ts|webm)$/i],
  ['audio', /\.(?:aac|flac|m4a|mp3|oga|ogg|opus|wav|wma)$/i],
  ['archive', /\.(?:7z|bz2|dmg|gz|iso|rar|tar|tgz|xz|zip|zst)$/i],
  ['text', /\.(?:csv|docx?|epub|html?|json|md|od[pst]|pdf|pptx?|rtf|txt|xlsx?|xml)$/i],
];

export type Kind = 'folder' | 'image' | 'video' | 'audio' | 'archive' | 'text' | 'file';

export function kindOf({ name, isFolder }: Pick<ListingEntry, 'name' | 'isFolder'>): Kind {
  if (isFolder) return 'folder';
  return KINDS.find(([, endings]) => endings.test(name))?.[0] ?? 'file';
}

/**
 * The command for a folder whose address has the token in its path. No shell reads anything in the quotes. It saves the
 * folder without those above it, and removes the lists, but no `index.html` of the folder.
 */
export function wgetLine({ origin, pathname }: URL): string | undefined {
  const folders = pathname.split('/').slice(1, -1);
  const token = folders.findIndex((folder) => /^~(?:ps_|ey)/.test(folder));
  if (token === -1) return undefined;
  const above = Math.max(token + 1, folders.length - 1);
  const encoded = pathname.replace(
    /[^A-Za-z0-9._~/%-]|%(?![0-9a-f]{2})/gi,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
  const saved = `-nH --cut-dirs=${above} --default-page=.postern -R '.postern*' -e robots=off`;
  return `wget -r -np ${saved} '${origin}${encoded}'`;
}

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];

/** `1.5 MB`, which is 1,500,000 bytes, `1 byte`, `2 bytes`. */
export function sizeText(bytes: number, locales: string | readonly string[]): string {
  const step = Math.min(3, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const unit = UNITS[step] as string;
  const unitDisplay = step === 0 ? 'long' : 'short';
  const style = { style: 'unit', unit, unitDisplay, maximumFractionDigits: 1 } as const;
  return new Intl.NumberFormat(locales, style).format(bytes / 1000 ** step);
}

/** A name as `includes` compares it for a person: without case and accents. */
export const folded = (name: string) => name.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
