/** The type of film.mp4. */
const TYPE = 'video/mp4; codecs="vp09.00.11.08"';

/**
 * Plays a playlist of fragmented MP4 (HLS): the smallest player that shows how its requests are decided. A real page uses
 * hls.js, as in docs/guides/players.md.
 */
export async function playHls(video, playlist) {
  const source = new MediaSource();
  video.src = URL.createObjectURL(source);
  await happens(source, 'sourceopen');
  const buffer = source.addSourceBuffer(TYPE);
  const text = await (await get(playlist)).text();
  // The URI of the initialization segment, and each line that is not a comment.
  for (const [name] of text.matchAll(/(?<=URI=")[^"]+|^[^#\s].*/gm)) {
    buffer.appendBuffer(await (await get(new URL(name, playlist))).arrayBuffer());
    await happens(buffer, 'updateend');
  }
  source.endOfStream();
}

async function get(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status} for ${url.pathname}`);
  return response;
}

function happens(target, event) {
  return new Promise((resolve) => target.addEventListener(event, resolve, { once: true }));
}
