import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../paths.ts';

/** Seconds of each fragment of film.mp4. */
const SECONDS = 2;

/**
 * Writes film.mp4, a fragmented MP4 (VP9, 8 seconds), as HLS: a playlist, and a file for each fragment. A
 * player requests each file by a relative URL.
 */
export async function makeFilm(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { init, fragments } = split(await readFile(join(projectRoot, 'dev', 'demo', 'film.mp4')));
  await writeFile(join(folder, 'init.mp4'), init);
  for (const [i, fragment] of fragments.entries()) {
    await writeFile(join(folder, `${i}.m4s`), fragment);
  }
  await writeFile(
    join(folder, 'index.m3u8'),
    [
      '#EXTM3U',
      '#EXT-X-VERSION:7',
      `#EXT-X-TARGETDURATION:${SECONDS}`,
      '#EXT-X-PLAYLIST-TYPE:VOD',
      '#EXT-X-MAP:URI="init.mp4"',
      ...fragments.flatMap((_, i) => [`#EXTINF:${SECONDS},`, `${i}.m4s`]),
      '#EXT-X-ENDLIST',
      '',
    ].join('\n'),
  );
}

/** By the boxes of the file (ISO/IEC 14496-12): each fragment is a `moof` with the `mdat` after it. */
function split(film: Buffer): { readonly init: Buffer; readonly fragments: readonly Buffer[] } {
  const starts: number[] = [];
  let end = film.length;
  for (let at = 0; at < film.length; at += film.readUInt32BE(at)) {
    const type = film.toString('latin1', at + 4, at + 8);
    if (type === 'moof') starts.push(at);
    // The index at the end is for the whole file.
    if (type === 'mfra') end = at;
  }
  const fragments = starts.map((start, i) => film.subarray(start, starts[i + 1] ?? end));
  return { init: film.subarray(0, starts[0]), fragments };
}
