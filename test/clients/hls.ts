import { mkdir, readdir } from 'node:fs/promises';
import type { Client } from './client.ts';

export const SECONDS = 4;
export const FRAMES = SECONDS * 10;

/** Writes `index.m3u8` and a segment for each second of a tiny film; returns the segments' names. */
export async function makePlaylist(ffmpeg: Client, folder: string): Promise<string[]> {
  await mkdir(folder);
  const { code, stderr } = await ffmpeg.run([
    ...['-v', 'error', '-f', 'lavfi', '-i', `testsrc=size=64x48:rate=10:duration=${SECONDS}`],
    // A key frame each second, where segments can begin.
    ...['-c:v', 'mpeg2video', '-g', '10', '-f', 'hls', '-hls_time', '1', '-hls_list_size', '0'],
    `${folder}/index.m3u8`,
  ]);
  if (code !== 0) throw new Error(stderr);
  return (await readdir(folder)).filter((name) => name.endsWith('.ts')).sort();
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
