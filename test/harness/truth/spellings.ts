// URLs for the files of a folder, as many spellings as possible. They come from the tree and from the words of the
// configuration, and share no code with the doctor, because they judge it.

/** Prefixes that a configuration could have: each path of a location or a rewrite, and each word of a regex. */
function prefixesOf(config: string): [paths: string[], words: string[]] {
  const lines =
    config.match(/(?:location|rewrite|try_files|if|map|error_page|auth_request)\s[^;{]*/g) ?? [];
  const found = lines.flatMap((line) => line.match(/\/[\w.@~/-]+/g) ?? []);
  const paths = new Set(
    found.map((one) => one.replace(/\/+$/, '')).filter((one) => one.length > 1),
  );
  const words = lines.flatMap((line) => line.match(/[\w.-]{2,}/g) ?? []).map((word) => `/${word}`);
  return [[...paths], [...new Set(words)].filter((word) => !paths.has(word))];
}

const encoded = (text: string) =>
  text.replace(/[^/]/g, (one) => `%${one.charCodeAt(0).toString(16).padStart(2, '0')}`);

/** Ways to write a path. `/a/b.txt` is the plain one. */
function spelled(path: string): string[] {
  const last = path.lastIndexOf('/');
  const [folder, name] = [path.slice(0, last), path.slice(last + 1)];
  const [first = ''] = path.split('/').slice(1);
  const rest = path.slice(first.length + 1);
  const ending = name.includes('.') ? name.slice(name.lastIndexOf('.')) : '';
  const stem = path.slice(0, path.length - ending.length);
  const after = [
    '/',
    '.',
    '..',
    '%20',
    '%00',
    '%0a',
    ';a',
    ';a.css',
    '?a=1',
    '?a.css',
    '%3fa.css',
    '%23',
    '#a',
    '~',
    '%5c',
    '/.',
    '/..',
    '/a.php',
    '/index.php',
    '.php',
    '.php/',
    '.css',
    '.js',
    '.png',
    '.jpg',
    '.html',
    '/a.css',
    '/%2e',
    '%2f',
    '%2e',
    '.bak',
    '%',
    '//',
    '/x/..',
    '%00.png',
    '.%00css',
  ].map((end) => path + end);
  const before = [
    '/',
    '/./',
    '/x/../',
    '/x.php/../',
    '/x.css/..//',
    '/.well-known/../',
    '/.well-known/acme-challenge/../..//',
    '/index.php',
    '/index.php/',
    '/a.php/..',
    '/%2e/',
    '/%2e%2e/',
    '/x/%2e%2e',
    '/x/..%2f',
    '/..',
    '/../',
    '/.',
    '/%2f',
    '/.well-known',
    '/.well-known/acme-challenge',
    '/./..;',
    '/;/',
    '//x/..',
    '/x//..//',
    '/assets/..',
    '/static/..',
    '/images/../',
    '/public',
    '/storage',
    '/files',
    '/download',
    '/media',
    '/uploads',
  ].map((start) => start + path);
  return [
    path,
    encoded(path),
    encoded(path).toUpperCase(),
    encoded(encoded(name)) && `${folder}/${encoded(name)}`,
    `/${encoded(first)}${rest}`,
    `/${encoded(first.slice(0, 1))}${first.slice(1)}${rest}`,
    path.replaceAll('/', '//'),
    path.replaceAll('/', '/./'),
    path.replaceAll('/', '%2f').replace(/^%2f/, '/'),
    path.replaceAll('/', '/x/../'),
    path.replaceAll('/', '\\').replace(/^./, '/'),
    `/${first}/..${path}`,
    `/${first}//${rest}`,
    `/${first}/.${rest}`,
    `/${first}/x/..${rest}`,
    `/${first.toUpperCase()}${rest}`,
    path.toUpperCase(),
    `${folder}/${name.toUpperCase()}`,
    stem + ending.toUpperCase(),
    `${folder}/./${name}`,
    `${folder}/%2e/${name}`,
    `${folder}//${name}`,
    `${folder}/x.css/../${name}`,
    `${folder}/x.php/../${name}`,
    `${folder}/.well-known/../${name}`,
    `${folder}%2f${name}`,
    `${folder}%252f${name}`,
    `${folder}..${path}`,
    ...after,
    ...before,
  ];
}

/** Query strings for the arguments that the configuration reads. */
function queriesOf(config: string, path: string): string[] {
  const names = new Set([...config.matchAll(/\$arg_(\w+)/g)].map(([, name]) => name));
  const values = [path, path.slice(1), '1', 'x'];
  return [...names].flatMap((name) => values.map((value) => `?${name}=${value}`));
}

/**
 * @param folder a protected folder, such as `www/data/`
 * @param files its files, both relative to the folder that has the whole tree
 */
export function* urlsFor(
  config: string,
  folder: string,
  files: readonly string[],
): Generator<string> {
  const seen = new Set<string>();
  const fresh = (url: string) => url.startsWith('/') && !seen.has(url) && seen.add(url);
  const [paths, words] = prefixesOf(config);
  for (const [index, file] of files.entries()) {
    const parts = file.split('/');
    const suffixes = parts.map((_, at) => `/${parts.slice(at).join('/')}`);
    // Below the folder, and with its name: what an alias and a root lead to.
    const depth = folder.split('/').length - 1;
    const near = [suffixes[depth - 1], suffixes[depth]].filter((one) => one !== undefined);
    for (const suffix of suffixes) {
      for (const url of spelled(suffix)) if (fresh(url)) yield url;
    }
    for (const prefix of ['', ...paths, ...words]) {
      for (const suffix of suffixes) {
        for (const url of below(prefix, suffix)) if (fresh(url)) yield url;
        for (const query of queriesOf(config, suffix))
          if (fresh(prefix + query)) yield prefix + query;
      }
    }
    // The first two files show what a folder does, as far as it does not depend on names.
    if (index > 1) continue;
    for (const prefix of paths) {
      for (const suffix of near) {
        for (const url of spelled(prefix + suffix)) if (fresh(url)) yield url;
      }
    }
  }
}

function below(prefix: string, suffix: string): string[] {
  const joints = ['', '..', '/..', '../', '.', '-', '/x', '/', '%2f', '%2e%2e', '/.well-known'];
  return [
    ...joints.map((joint) => prefix + joint + suffix),
    prefix + suffix.slice(1),
    `/x${prefix}${suffix}`,
  ];
}
