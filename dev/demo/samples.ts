import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFilm } from './film.ts';
import { png } from './png.ts';

const MIB = 1024 * 1024;

export interface Sample {
  /** Below the folder. */
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
  const large = randomBytes(64 * MIB);
  return {
    text: await write('hello.txt', 'Hello from behind the gate.\n'),
    picture: await write('picture.png', png(640, 400)),
    hostile: await write('we ird?%41#ü.txt', 'URL parsers disagree about this name.\n'),
    large: await write('large.bin', large),
    part: { from: MIB, to: 2 * MIB - 1, sha256: sum(large.subarray(MIB, 2 * MIB)) },
    page: await write('gallery/index.html', '<!doctype html>\n<img src="thumbnail.png" alt="">\n'),
    thumbnail: await write('gallery/thumbnail.png', png(64, 40)),
  };
}

function sum(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex');
}
