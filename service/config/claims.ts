/** `{sub}` as a whole segment; a name may hold a slash, as of a claim that is a URL. */
const CLAIM = /(?<=\/)\{[A-Za-z0-9_:./-]{1,64}\}(?=\/)/g;

/** A path with `{}` for each claim, so that a claim's name is no part of it. */
export function unnamed(path: string): string {
  return path.replace(CLAIM, '{}');
}

/** Whether a brace is left that belongs to no claim. */
export function hasStrayBrace(path: string): boolean {
  return /[{}]/.test(path.replace(CLAIM, 'claim'));
}

/** Whether one of two prefixes can lie under the other; in the first, `{}` is any segment. */
export function canMeet(path: string, prefix: string): boolean {
  const segments = prefix.split('/').slice(0, -1);
  return path
    .split('/')
    .slice(0, -1)
    .every((segment, at) => segment === '{}' || segment === (segments[at] ?? segment));
}
