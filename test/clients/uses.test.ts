import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  downloader,
  downloaders,
  stateOf,
  usedOnceFrom,
  waitForLines,
} from '../support/clients/programs.ts';
import { folderForTest } from '../support/for-test.ts';
import { modes, useSite } from '../support/site.ts';

const BYTES = randomBytes(800_000);

describe.each(modes)('uses: a link with one use by %s', (mode) => {
  const site = useSite({ mode, files: { 'a.bin': BYTES } });

  /** Its URL, the file to save it to, and the state of its token. */
  async function linkForOne() {
    const { id, url } = await site.issue({ path: '/download/a.bin', max_uses: 1 });
    const file = join(await folderForTest(), 'a.bin');
    return { id, url: site.nginx.url(url), file, state: () => stateOf(site, id) };
  }

  const ways = [
    ...downloaders.map((name) => [name, []] as const),
    ['curl', ['--http1.0']] as const,
  ];
  test.for(ways)(
    'is downloaded by %s %j, which may send further requests',
    async ([name, more], context) => {
      const program = await downloader(name, context);
      const { state, ...link } = await linkForOne();

      expect(await program.download({ ...link, more })).toMatchObject({ code: 0 });
      expect((await readFile(link.file)).equals(BYTES)).toBe(true);
      // The file is complete. Only curl reports that as a failure.
      await program.resume(link);
      expect((await readFile(link.file)).equals(BYTES)).toBe(true);
      const lines = await waitForLines(site, link.id, ({ length }) => length >= 2);
      expect(lines.map(({ code }) => code)).toEqual(lines.map(() => 'allow'));
      expect(await state()).toMatchObject(usedOnceFrom('127.0.0.1'));
    },
  );
});
