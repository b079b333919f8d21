import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  client,
  downloader,
  downloaders,
  stateOf,
  usedOnceFrom,
  waitForLines,
} from '../support/clients/programs.ts';
import { folderForTest } from '../support/for-test.ts';
import { modes, useSite } from '../support/site.ts';

const BYTES = randomBytes(800_000);
const unused = { uses_left: 1, requesters: [] };

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

  const lookers: ReadonlyArray<['curl' | 'wget' | 'aria2c', readonly string[]]> = [
    ['curl', ['--disable', '--silent', '--show-error', '--fail', '-I']],
    ['wget', ['--no-config', '--no-hsts', '--no-verbose', '--tries=1', '--spider']],
    ['aria2c', ['--no-conf', '--no-netrc', '--quiet', '--max-tries=1', '--dry-run']],
  ];
  test.for(lookers)('keeps its use after a HEAD by %s %j', async ([name, args], context) => {
    const looker = await client(name, context);
    const program = await downloader(name, context);
    const { state, ...link } = await linkForOne();

    for (let i = 0; i < 2; i += 1) {
      expect(await looker.run([...args, link.url])).toMatchObject({ code: 0 });
    }
    const heads = await waitForLines(site, link.id, ({ length }) => length >= 2);
    for (const { request } of heads) expect(request).toMatch(/^HEAD /);
    expect(await state()).toMatchObject(unused);

    expect(await program.download(link)).toMatchObject({ code: 0 });
    expect((await readFile(link.file)).equals(BYTES)).toBe(true);
    expect(await state()).toMatchObject(usedOnceFrom('127.0.0.1'));
  });
});
