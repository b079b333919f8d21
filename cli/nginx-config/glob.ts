/** Whether a name in an `include` is a pattern, as in glob(7). */
export function isGlob(name: string): boolean {
  return /[*?[]/.test(name);
}

/** A regular expression for a glob. `*` does not match a slash or a leading dot. */
export function globPattern(glob: string): RegExp {
  const parts = glob.split('/').map((part) => {
    const body = part.replace(/\[(!?)([^\]]+)\]|[\s\S]/g, (char, not?: string, set?: string) => {
      if (set !== undefined) return `[${not ? '^/' : ''}${set.replace(/[\\\]^]/g, '\\$&')}]`;
      if (char === '*') return '[^/]*';
      if (char === '?') return '[^/]';
      return char.replace(/[.+^${}()|[\]\\]/, '\\$&');
    });
    return /^[*?[]/.test(part) ? `(?!\\.)${body}` : body;
  });
  return new RegExp(`^${parts.join('/')}$`, 'su');
}
