import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../../test/harness/paths.ts';

const MIB = 1024 * 1024;

export interface Sample {
  /** The name below the folder. */
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
}

export interface Samples {
  readonly text: Sample;
  readonly picture: Sample;
  readonly hostile: Sample;
  readonly large: Sample;
  /** The second MiB of the large one. */
  readonly part: { readonly from: number; readonly to: number; readonly sha256: string };
  /** A page that refers to a picture beside it by a relative link. */
  readonly page: Sample;
  readonly thumbnail: Sample;
}

/** Writes the files that the demo serves. */
export async function makeSamples(folder: string): Promise<Samples> {
  await mkdir(join(folder, 'gallery'), { recursive: true });
  async function write(name: string, content: Buffer | string): Promise<Sample> {
    await writeFile(join(folder, name), content);
    return { name, sha256: sum(content), bytes: Buffer.byteLength(content) };
  }
  await makeFilm(join(folder, 'film'));
  const own = (name: string) => readFile(join(projectRoot, 'dev', 'demo', name));
  const large = randomBytes(64 * MIB);
  return {
    text: await write('hello.txt', 'Hello from behind the gate.\n'),
    picture: await write('picture.png', await own('picture.png')),
    hostile: await write('we ird?%41#ü.txt', 'URL parsers disagree about this name.\n'),
    large: await write('large.bin', large),
    part: { from: MIB, to: 2 * MIB - 1, sha256: sum(large.subarray(MIB, 2 * MIB)) },
    page: await write('gallery/index.html', '<!doctype html>\n<img src="thumbnail.png" alt="">\n'),
    thumbnail: await write('gallery/thumbnail.png', await own('thumbnail.png')),
  };
}

function sum(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Seconds of each fragment of film.mp4. */
const SECONDS = 2;

/**
 * Writes film.mp4, a fragmented MP4 (VP9, 8 seconds), as HLS: a playlist, and a file for each fragment. A
 * player requests each file by a relative URL.
 */
async function makeFilm(folder: string): Promise<void> {
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
