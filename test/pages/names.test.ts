import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import {
  cleanName,
  entryOf,
  folded,
  kindOf,
  sizeText,
  uniqueName,
  wgetLine,
} from '../../service/pages/browser/names.ts';
import { fieldsOf } from '../support/fixtures.ts';

const folder = new URL('http://files.example/download/~ps_x/hls/');
const entry = (href: string, shown = '', details = '') => entryOf(href, shown, details, folder);

describe('listing: an entry', () => {
  test('has the whole name, the size and the time in UTC', () => {
    const href = encodeURIComponent(`${'é'.repeat(60)}.txt`);
    expect(entry(href, 'éé..&gt;', '          29-Nov-2026 23:05            34567890\r\n')).toEqual({
      url: new URL(href, folder),
      name: `${'é'.repeat(60)}.txt`,
      isFolder: false,
      size: 34_567_890,
      modified: new Date('2026-11-29T23:05:00Z'),
    });
    expect(entry('a', '', ' 01-Jan-1970 00:00   7')).toMatchObject({ size: 7 });
    expect(entry('sub/', '', ' 01-Jan-2026 00:00   -')).toMatchObject({ isFolder: true, size: 0 });
    expect(entry('a', '', 'none')).toMatchObject({ size: 0, modified: undefined });
    expect(entry('%ff.txt', 'as shown')).toMatchObject({ name: 'as shown' });
    expect(entry('x%E2%80%AEtxt.exe')).toMatchObject({ name: 'x\ufffdtxt.exe' });
  });

  test.each([
    ...['../', './', '', '/', '..', '%2e%2e/', '../hls2/a', '../xyz/a', '../hls/../x', 'sub/a'],
    'sub/deep/',
    ...['http://evil.example/download/~ps_x/hls/a', '//evil.example/a', 'javascript:alert(1)'],
    ...['data:text/html,x', 'http://files.example:1/download/~ps_x/hls/a', 'http://[', '?a', 'a?b'],
    ...['#a', 'a#b', '/download/~ps_x/', '/download/~ps_x/hls', 'a//', '\\\\evil.example\\a'],
  ])('%s is not one: it does not lead to a file or folder in the folder', (href) => {
    expect(entry(href)).toBeUndefined();
  });
});

describe('ZIP: a name', () => {
  test.each(fieldsOf('zip-names.txt'))('%j is %j', (name = '', clean) => {
    expect(cleanName(name)).toBe(clean);
  });

  test('is numbered if the folder has it, whatever its case and its form of accents', () => {
    const used = new Map<string, number>();
    const unique = (...names: string[]) => names.map((name) => uniqueName(name, used));
    const files = unique('a.txt', 'A.TXT', 'a (2).txt', 'x.tar.gz', 'x.tar.gz');
    expect(files).toEqual(['a.txt', 'A (2).TXT', 'a (2) (2).txt', 'x.tar.gz', 'x.tar (2).gz']);
    expect(unique('a/b', 'a\\b', '..', '.')).toEqual(['a_b', 'a_b (2)', '_', '_ (2)']);
    expect(unique('é', 'e\u0301')).toEqual(['é', 'e\u0301 (2)']);
    expect(unique('.hidden', '.hidden')).toEqual(['.hidden', '.hidden (2)']);
  });
});

test('listing: the kind of an entry is that of its ending', () => {
  const kind = (name: string, isFolder = false) => kindOf({ name, isFolder });
  expect(kind('a.jpg', true)).toBe('folder');
  const names = ['A.JPG', 'a.mp4', 'a.flac', 'a.tar.gz', 'a.pdf', 'a', 'jpg', 'a.jpg.exe'];
  expect(names.map((name) => kind(name))).toEqual([
    ...['image', 'video', 'audio', 'archive', 'text', 'file', 'file', 'file'],
  ]);
});

test.each([
  [0, '0 bytes', '0 Byte'],
  [1, '1 byte', '1 Byte'],
  [999, '999 bytes', '999 Byte'],
  [1000, '1 kB', '1 kB'],
  [1_550_000, '1.6 MB', '1,6 MB'],
  [5e12, '5,000 GB', '5.000 GB'],
])('pages: %d bytes are %s: each unit is a thousand of the one before', (bytes, en, de) => {
  const texts = ['en', 'de'].map((language) => sizeText(bytes, language).replace(/\s/, ' '));
  expect(texts).toEqual([en, de]);
});

test('listing: a filter ignores case and accents', () => {
  expect(['Übung', 'u\u0308BUNG', 'ﬁ', 'Ł'].map(folded)).toEqual(['ubung', 'ubung', 'ﬁ', 'ł']);
});

describe('listing: the line for wget', () => {
  const token = `~ps_${'a'.repeat(32)}`;
  const line = (path: string) => wgetLine(new URL(path, 'https://files.example:8443'));

  test.each([
    ['photos/', 'photos/'],
    ['$(id)/', '%24%28id%29/'],
    ['it\'s `x` "y"/', 'it%27s%20%60x%60%20%22y%22/'],
    ['a\nb/', 'ab/'],
    ['a%0Ab/', 'a%0Ab/'],
    ['%zz;|&<>!*/', '%25zz%3B%7C%26%3C%3E%21%2A/'],
    ['é/', '%C3%A9/'],
  ])('%j is quoted and percent-encoded', (name, encoded) => {
    const path = `/download/${token}/${name}`;
    const url = / '(http.*)'$/s.exec(line(path) ?? '')?.[1] ?? '';
    expect(url).toMatch(/^https:\/\/files\.example:8443[A-Za-z0-9._~/%-]*$/);
    expect(url.endsWith(`/${encoded}`)).toBe(true);
    // A shell passes it on as one argument.
    const words = execFileSync('sh', ['-c', `printf '%s\\n' ${line(path)}`], { encoding: 'utf8' });
    expect(words).toBe(
      `wget\n-r\n-np\n-nH\n--cut-dirs=2\n--default-page=.postern\n-R\n.postern*\n-e\nrobots=off\n${url}\n`,
    );
  });

  test('is for a token in the path only', () => {
    expect(line('/download/photos/')).toBeUndefined();
    expect(line(`/download/photos/?token=ps_${'a'.repeat(32)}`)).toBeUndefined();
    expect(line('/download/~ey.J.x/photos/')).toMatch(/^wget/);
  });
});
