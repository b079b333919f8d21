/** The version of nginx, or of the nginx that another server is built from. */
export type Version = NonNullable<ReturnType<typeof versionIn>>;

/** The lines of `nginx -V`. Angie and Tengine print their own line before that of nginx. */
const LINE = /^\w+ version: (([\w-]+)\/(\d+)\.(\d+)\.(\d+)\S*)/gm;

/** The version in the output of `nginx -VT 2>&1`. Undefined if the output has none. */
export function versionIn(printed: string) {
  const lines = [...printed.matchAll(LINE)];
  const [, , product] = lines[0] ?? [];
  const [all, text, , ...numbers] = lines.at(-1) ?? [];
  if (text === undefined || product === undefined || !all?.startsWith('nginx')) return undefined;
  // The text is such as openresty/1.27.1.2, and the product is the server itself, such as Angie.
  const argument = (name: string) =>
    new RegExp(`^configure arguments:.* --${name}=(\\S+)`, 'm').exec(printed)?.[1];
  const prefix = argument('prefix') ?? '/usr/local/nginx';
  return { text, product, numbers: numbers.map(Number), user: argument('user'), prefix };
}

export function isBefore(numbers: readonly number[], other: readonly number[]): boolean {
  const at = other.findIndex((number, index) => number !== numbers[index]);
  return at >= 0 && (numbers[at] ?? 0) < (other[at] ?? 0);
}
