const ID = /^-[\w-]{21}$/;
const BEFORE_A_VALUE = ['--api', '--key-file', '--subject'];

/**
 * The words of `postern token show ID` and `revoke ID` with an id after `--` that begins with a hyphen:
 * one in 64 does, and would be taken for an option.
 */
export function idLast(words: readonly string[]): readonly string[] {
  const [group, command = ''] = words;
  if (group !== 'token' || !['show', 'revoke'].includes(command)) return words;
  const at = words.findIndex(
    (word, i) => ID.test(word) && !BEFORE_A_VALUE.includes(words[i - 1] ?? ''),
  );
  if (at < 0 || words.includes('--')) return words;
  return [...words.slice(0, at), ...words.slice(at + 1), '--', words[at] as string];
}
