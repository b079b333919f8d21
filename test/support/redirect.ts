import { textOf } from '../harness/paths.ts';

/** Encoded names that a checked redirect answers with 404 before it asks who may read them. */
export const NO_NAMES: readonly string[] = [
  ...['', '/a', 'a/', 'a//b', '.', '..', './a', '../a', 'a/.', 'a/..', 'a/../b', 'a%2F', '%2Fa'],
  ...[
    'a%2F..%2Fb',
    '%2e%2e/a',
    'a/%2e%2e/b',
    'a%5Cb',
    'a%0Ab',
    'a%0D%0AX:%20y',
    'a%00',
    'a%C2%85b',
    'a%20',
  ],
  ...[
    '%C3%A4'.repeat(1025),
    '/evil.example/a',
    'https://evil.example/a',
    'https:%2F%2Fevil.example/a',
  ],
  ...['%5C%5Cevil.example', '%2F%2Fevil.example/a'],
];

/** The lines of the fixture as encoded paths. */
export function hostilePaths(): string[] {
  const lines = textOf('test/fixtures/hostile-names.txt').split('\n');
  const names = lines.filter((line) => line !== '' && !line.startsWith('// '));
  return names
    .map((line) => line.replace(/\\x(..)/g, '%$1'))
    .map((raw) => encodeURI(raw).replaceAll('%25', '%').replace(/[?#]/g, encodeURIComponent));
}

/** Decodes as servers do: what is not an encoded byte stays. */
export function decoded(path: string): string {
  return path.replace(/(%[0-9a-f]{2})+/gi, (bytes) =>
    Buffer.from(bytes.replaceAll('%', ''), 'hex').toString(),
  );
}
