/** Names of files that are legal and unusual. */
export const NAMES = [
  'plain.txt',
  'two words.txt',
  ' leading space.txt',
  'what?.txt',
  'a?b=c&token=x.txt',
  '100%.txt',
  'p%41.txt',
  'p%2541.txt',
  '%2e%2e.txt',
  '%2f.txt',
  '#1.txt',
  `it's "quoted".txt`,
  'a;b.txt',
  '$uri$args.txt',
  '{braces} $' + '{var}.txt',
  '[x](y)<z>|^`.txt',
  'a+b.txt',
  'a&b=c.txt',
  '=.txt',
  '~tilde.txt',
  '@postern_deliver',
  '...',
  '..hidden',
  '.htaccess',
  'r\u00e9sum\u00e9.txt',
  're\u0301sume\u0301.txt',
  '日本語のファイル.txt',
  '🗂️ files 🎉.txt',
  '\u{feff}bom.txt',
  '\u{202e}txt.exe',
  'a:b*c,d!e.txt',
  `${'x'.repeat(251)}.txt`,
  '長'.repeat(85),
  'folder/in folder?/#deep%.txt',
];

/** Spellings of paths that lead out of the folder, by class. `\xNN` is sent as that byte. */
export const CLASSES: Readonly<Record<string, readonly string[]>> = {
  dots: [
    ...['../secret.txt', 'sub/../../secret.txt', './../secret.txt', '..', '../'],
    '.../../secret.txt',
  ],
  'a dot segment that stays inside': ['sub/../a.txt', './a.txt', 'sub/.', 'sub/..'],
  'encoded once': ['%2e%2e/secret.txt', '%2E%2E/secret.txt', '.%2e/secret.txt', '%2e./secret.txt'],
  'an encoded slash': ['..%2fsecret.txt', '%2e%2e%2fsecret.txt', 'sub%2fa.txt', 'sub%2Fa.txt'],
  overlong: ['%c0%ae%c0%ae/secret.txt', '..%c0%afsecret.txt', '%e0%80%ae./secret.txt', '\xc0\xae.'],
  'broken UTF-8': ['%ff/../secret.txt', 'a%ff.txt', '\xff\xfe', '%ed%a0%80.txt', '%f4%90%80%80'],
  'UTF-16': ['%u002e%u002e/secret.txt', '%uff0e%uff0e/secret.txt'],
  'no hex digits': ['%zz/../secret.txt', '%', '%2', '%2g', 'a%.txt'],
  backslash: ['..\\secret.txt', '..%5csecret.txt', 'sub\\..\\..\\secret.txt', '%5c..%5csecret.txt'],
  NUL: ['a.txt%00', 'a.txt%00.jpg', '..%00/secret.txt', '\x00'],
  control: [
    ...['a.txt%0a', 'a.txt%0d%0aX: y', '%09../secret.txt', 'a%7f.txt', 'a%c2%85.txt', '\x01'],
    '\x7f',
  ],
  'empty segments': ['/a.txt', '//a.txt', 'sub//a.txt', '/../secret.txt', '//../../secret.txt'],
  'a space at the end': ['a.txt%20', 'sub/a.txt%20%20', '%20'],
  'a raw #': ['a.txt#', 'a.txt#/../../secret.txt', '#/../../secret.txt'],
};

/** Legal names that look like a way out of the folder. No file has them. */
export const LEGAL: readonly string[] = [
  ...['%252e%252e/secret.txt', '..%252fsecret.txt', '%25252e%25252e/secret.txt'],
  ...['\u2024\u2024/secret.txt', '%ef%bc%8e%ef%bc%8e/secret.txt', '..%e2%88%95secret.txt'],
  ...['..;/secret.txt', '..%20/secret.txt', '.../secret.txt'],
];

/** Beside the mount: the whole request-target. */
export const BESIDE: readonly string[] = [
  ...['/download../secret.txt', '/download..%2fsecret.txt', '/download%2f..%2fsecret.txt'],
  ...['/download/%2e%2e/%2e%2e/secret.txt', '/protected../secret.txt', '/protected/../secret.txt'],
  ...['/download/../protected/a.txt', '/other/../download/a.txt', '//download/a.txt'],
  ...['/./download/a.txt', '/Download/a.txt', '/%64ownload/../../secret.txt'],
  ...['http://files.example/download/../secret.txt', 'http://files.example/protected/a.txt'],
  ...['http://files.example//download/a.txt', 'HTTP://other.example/download/%2e%2e/secret.txt'],
  ...['download/a.txt', '*', '\\download\\a.txt', '/download\\..\\secret.txt'],
];

/** A string of which each character up to U+00FF is a byte; others are UTF-8. */
export function bytes(target: string): Buffer {
  const parts = [...target].map((one) =>
    Buffer.from(one, one.charCodeAt(0) > 0xff ? 'utf8' : 'latin1'),
  );
  return Buffer.concat(parts);
}
