import {
  type Attempt,
  answerTo,
  type Check,
  describe,
  holds,
  isGates,
  isUnknown,
  type Rule,
  skipped,
  untested,
} from '../finding.ts';
import { absent } from '../site.ts';
import { NEEDS_PREFIX } from './internal.ts';

/** Extensions for which sites often have regex locations. */
const ENDINGS =
  '.jpg .jpeg .png .gif .webp .svg .ico .css .js .map .woff2 .json .xml .txt .md .html .php .pdf .zip .gz .mp3 .mp4 .webm .m3u8 .ts .log .bak .sql .htaccess'.split(
    ' ',
  );

const FIX =
  'use location ^~ /download/ and location ^~ /protected/: without ^~ a regex location wins over both';

const outside: Check = {
  id: 'regex-location',
  title: 'regex locations that win over the public location',
  why: 'nginx serves files with these names without asking the gate',
  fix: FIX,
  run: (site) => {
    const attempts = ENDINGS.map((ending): Attempt => {
      return { name: ending, request: { target: absent(site, ending).target } };
    });
    return holds(site, attempts, isGates);
  },
};

/**
 * OPTIONS changes nothing, and distinguishes two kinds of 404: nginx checks `internal` before the method, and
 * a location that serves files checks the method before it looks for the file.
 */
const inside: Check = {
  id: 'regex-internal',
  title: 'regex locations that win over the internal location',
  why: 'nginx serves files with these names under the internal prefix to any client',
  fix: FIX,
  run: async (site) => {
    const { internal, mark } = site;
    if (!internal) return skipped(NEEDS_PREFIX);
    const attempts = ENDINGS.map((ending): Attempt => {
      return { name: ending, request: { method: 'OPTIONS', target: internal + mark + ending } };
    });
    const plain = await answerTo(site, { method: 'OPTIONS', target: internal + mark });
    if (typeof plain === 'string') return untested(plain);
    if (isUnknown(plain)) return untested(describe(plain, site));
    // No internal location, or a site that answers OPTIONS by itself.
    if (!isClosed(plain, site))
      return skipped(`the site answers OPTIONS with ${plain.status} for any name`);
    return holds(site, attempts, isClosed);
  },
};

const isClosed: Rule = ({ status }) => status === 404 || status === 403 || status === 400;

export const regex: readonly Check[] = [outside, inside];
