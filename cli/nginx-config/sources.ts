import { dirname, resolve } from 'node:path';
import { globPattern, isGlob } from './glob.ts';

/** The files of a configuration. */
export interface Sources {
  /** The one that nginx begins with. */
  readonly main: string;
  read(name: string): string | undefined;
  /** What an `include` names, in nginx's order. */
  named(include: string): readonly string[];
}

/** What nginx says on standard error, which `2>&1` brings in before the files or behind them. */
const SAID = /^nginx: (?:the )?configuration file .*$|^nginx: \[\w+\] .*$/gm;

const MARK = /^# configuration file (.+):\r?$/gm;

/** The files in what `nginx -T` has printed; undefined where the text is nothing of that kind. */
export function dumpedFiles(printed: string): Sources | undefined {
  const text = printed.replace(SAID, '');
  const marks = [...text.matchAll(MARK)];
  const files = new Map<string, string>();
  for (const [index, mark] of marks.entries()) {
    const start = mark.index + mark[0].length + 1;
    files.set(mark[1] ?? '', text.slice(start, marks[index + 1]?.index));
  }
  const [main] = files.keys();
  if (main === undefined) return undefined;
  return {
    main,
    read: (name) => files.get(name),
    named(include) {
      const name = fullName(main, include);
      if (!isGlob(name)) return [name];
      const pattern = globPattern(name);
      return [...files.keys()].filter((file) => pattern.test(file)).sort();
    },
  };
}

/** A relative name starts at the folder of nginx.conf, also in an included file. */
export function fullName(main: string, include: string): string {
  return resolve(dirname(main), include);
}
