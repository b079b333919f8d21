import { mkdir, readdir } from 'node:fs/promises';
import type { Client } from './programs.ts';

export const SECONDS = 4;
export const FRAMES = SECONDS * 10;

const mpeg2 = ['-c:v', 'mpeg2video'];
/** Without a licence: every Chromium and every ffmpeg has it. */
const vp9 = ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-pix_fmt', 'yuv420p'];
/** What a browser plays. */
export const fragments = [...vp9, '-hls_segment_type', 'fmp4'];

/** Writes `index.m3u8` and a segment for each second of a tiny film; returns the segments' names. */
export async function makePlaylist(ffmpeg: Client, folder: string, how = mpeg2): Promise<string[]> {
  await mkdir(folder);
  // A key frame each second, where segments can begin.
  const segments = ['-g', '10', '-f', 'hls', '-hls_time', '1', '-hls_list_size', '0'];
  await make(ffmpeg, SECONDS, [...how, ...segments, `${folder}/index.m3u8`]);
  return (await readdir(folder)).filter((name) => name !== 'index.m3u8').sort();
}

/** Writes a second of film, in the container that the file's name says. */
export async function makeFilm(ffmpeg: Client, file: string): Promise<void> {
  await make(ffmpeg, 1, [...vp9, file]);
}

async function make(ffmpeg: Client, seconds: number, args: readonly string[]): Promise<void> {
  const source = `testsrc=size=64x48:rate=10:duration=${seconds}`;
  const { code, stderr } = await ffmpeg.run(
    ['-v', 'error', '-f', 'lavfi', '-i', source].concat(args),
  );
  if (code !== 0) throw new Error(stderr);
}

/** Plays it to its end: its length as the playlist says, and how many frames could be decoded. */
export async function play(ffprobe: Client, url: string) {
  const { code, stdout, stderr } = await ffprobe.run([
    ...['-v', 'error', '-count_frames', '-of', 'json'],
    ...['-show_entries', 'format=duration:stream=nb_read_frames'],
    url,
  ]);
  if (code !== 0) throw new Error(stderr);
  const { format, streams } = JSON.parse(stdout);
  return { seconds: Number(format.duration), frames: Number(streams[0].nb_read_frames), stderr };
}
