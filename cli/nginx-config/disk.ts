import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { globPattern, isGlob } from './glob.ts';
import { fullName, type Sources } from './sources.ts';

/** An nginx.conf on the disk, and the files that it includes. `text` is the text of nginx.conf. */
export function diskFiles(main: string, text: string): Sources {
  return {
    main,
    read: (name) => (name === main ? text : tryTo(() => readFileSync(name, 'utf8'))),
    named(include) {
      const name = fullName(main, include);
      return isGlob(name) ? expand(name).sort() : [name];
    },
  };
}

function expand(glob: string): string[] {
  let found = ['/'];
  for (const part of glob.split('/').filter(Boolean)) {
    found = found.flatMap((folder) => {
      if (!isGlob(part)) return [join(folder, part)];
      const pattern = globPattern(part);
      const names = tryTo(() => readdirSync(folder)) ?? [];
      return names.filter((name) => pattern.test(name)).map((name) => join(folder, name));
    });
  }
  return found;
}

function tryTo<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
