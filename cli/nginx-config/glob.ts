/** Whether a name in an `include` stands for any number of files, as glob(7) has it. */
export function isGlob(name: string): boolean {
  return /[*?[]/.test(name);
}

/** A pattern for the names that a glob stands for. No `*` goes over a slash or a leading dot. */
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
