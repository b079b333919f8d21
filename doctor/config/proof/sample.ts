import { tryTo } from '../../../common/errors.ts';

/** Requests for a server block. If it needs more, what they would get is a question. */
export const MOST = 100_000;
/** Texts of a regex. If it has so many, what the others would get is a question. */
export const MAX_TEXTS = 2_000;

/** More pairs of texts than these only if the path of a file has them one after the other, or if one of them is short. */
const MAX_PAIRS = 300;

/** Characters to try for a set such as `[a-f]` or `[^/]`. The dot is also for `..`. */
const CHARACTERS = ['a', '.', '1', '-', 'A', '/', '_', ' ', '~', '='];

/**
 * Texts that a regex of nginx probably matches. Parts such as `.*` become each of the `fillers`, as far as they have
 * the right characters. Only nginx decides what matches, so a wrong text is harmless.
 */
export function samplesOf(regex: string, fillers: readonly string[]): readonly string[] {
  let at = 0;
  const isOver = () => at >= regex.length;

  function alternatives(): readonly string[] {
    const found = [...sequence()];
    while (regex[at] === '|') {
      at += 1;
      found.push(...sequence());
    }
    return found.slice(0, MAX_TEXTS);
  }

  function sequence(): readonly string[] {
    let found: readonly string[] = [''];
    while (!isOver() && regex[at] !== '|' && regex[at] !== ')') {
      const parts = quantified();
      const isMany = parts.length * found.length > MAX_PAIRS;
      const all = parts.flatMap((part, at) => {
        const before = fillers.flatMap((one) =>
          one.endsWith(`/${part}`) ? [one.slice(0, -part.length - 1)] : [],
        );
        const goes = (start: string, index: number) =>
          !isMany || at < 2 || index < 2 || before.some((one) => start.includes(one));
        return found.filter(goes).map((start) => start + part);
      });
      found = [...new Set(all)].slice(0, MAX_TEXTS);
    }
    return found;
  }

  function quantified(): readonly string[] {
    const start = at;
    const one = atom();
    const source = regex.slice(start, at);
    const [all = '', mark = '', from = ''] =
      /^(?:([*+?])|\{(\d*),?\d*\})[?+]?/.exec(regex.slice(at)) ?? [];
    at += all.length;
    if (all === '') return one;
    const least = mark === '+' ? 1 : mark === '' ? Number(from || 0) : 0;
    const isGroup = source.startsWith('(');
    const whole = tryTo(() => new RegExp(`^(?:${source})*$`, 's'));
    const filled =
      mark === '?' || isGroup
        ? []
        : fillers.filter((text) => text.length >= least && whole?.test(text));
    const repeated = one
      .slice(0, isGroup ? MAX_TEXTS : 2)
      .map((text) => text.repeat(Math.max(1, least)));
    return [...(least === 0 ? [''] : []), ...filled, ...repeated];
  }

  function atom(): readonly string[] {
    const rest = regex.slice(at);
    const [group] = /^\((?:\?(?::|P?<\w+>|'\w+'|\w+\)|[=!]|<[=!]|>))?/.exec(rest) ?? [];
    if (group !== undefined) {
      at += group.length;
      if (group.endsWith(')')) return [''];
      const inner = alternatives();
      at += 1;
      return /^\(\?<?[=!]/.test(group) ? [''] : inner;
    }
    const [set] = /^\[\^?\]?(?:\\.|\[:\w+:\]|[^\]])*\]/s.exec(rest) ?? [];
    if (set !== undefined) {
      at += set.length;
      return charactersOf(set);
    }
    const [escaped] = /^\\(?:x[\da-f]{2}|.)/is.exec(rest) ?? [];
    at += escaped?.length ?? 1;
    if (escaped === undefined) {
      if (rest[0] === '.') return ['a', '.'];
      return /^[\^$]/.test(rest) ? [''] : [rest.charAt(0)];
    }
    if (/^\\[bBAzZGK]/.test(escaped)) return [''];
    if (/^\\x/i.test(escaped)) return [String.fromCharCode(Number.parseInt(escaped.slice(2), 16))];
    return /^\\[a-z]/i.test(escaped) ? charactersOf(escaped) : [escaped.charAt(1)];
  }

  const found = alternatives();
  return [...new Set(found)];
}

function charactersOf(set: string): readonly string[] {
  const plain = set.replace('[:alnum:]', 'a-z0-9').replace(/\[:\w+:\]/g, 'a-z');
  const regex = tryTo(() => new RegExp(`^${plain}$`, 's'));
  const found = CHARACTERS.filter((one) => regex?.test(one) ?? one === 'a');
  const own = regex && found.length === 0 ? charactersIn(regex) : [];
  return [
    ...found.filter((one) => one !== '.').slice(0, 1),
    ...found.filter((one) => one === '.'),
    ...own,
  ];
}

/** The first character of ASCII that a set has. */
function charactersIn(regex: RegExp): readonly string[] {
  const all = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index));
  return all.filter((one) => regex.test(one)).slice(0, 1);
}

/** Whether JavaScript, which reads most regexes as nginx does, matches one of the texts that the doctor tried. */
export function isSampled(regex: string): boolean {
  // Such as \p and \A, which JavaScript reads as a letter.
  if (/\\(?![bdswnrtfx])[a-z]/i.test(regex.replace(/\\[BDSW\\]/g, ''))) return false;
  const own = tryTo(() => new RegExp(regex, 'is'));
  return samplesOf(regex, ['', 'a', 'a.txt', '1']).some(
    (text) => own?.test(text.startsWith('/') ? text : `/${text}`) || own?.test(text),
  );
}
