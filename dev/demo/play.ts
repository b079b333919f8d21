import type { Paper } from './paper.ts';
import type { Player } from './player.ts';
import type { Site } from './site.ts';

/** The flow, step by step. */
export async function play({ origin, samples }: Site, player: Player, paper: Paper): Promise<void> {
  const { text, picture, hostile, large, part, page, thumbnail } = samples;

  paper.heading('A token opens one file, for a limited time');
  const plain = `${origin}/download/${text.name}`;
  const missing = { status: 401, code: 'missing_token' };
  await player.get('A request without a token is denied.', plain, missing);
  const passed = 'Your application requests a token. It passes the URL on to the user.';
  const token = await player.issue(passed, { path: `/download/${text.name}` });
  await player.file('With the token, nginx sends the file.', token.url, text);
  const elsewhere = `${origin}/download/${picture.name}?token=${token.access_token}`;
  const forbidden = { status: 403, code: 'insufficient_scope' };
  await player.get('The token does not open another file.', elsewhere, forbidden);
  const inside = `${origin}/protected/${text.name}?token=${token.access_token}`;
  await player.get('Clients cannot request the internal location.', inside, { status: 404 });

  paper.heading('Any kind of file');
  const files = [picture, large, hostile];
  const issued = await player.issueAll(
    'One request issues several tokens.',
    files.map(({ name }) => ({ path: `/download/${name}` })),
  );
  const [pictureUrl = '', largeUrl = '', hostileUrl = ''] = issued.map(({ url }) => url);
  await player.file('An image.', pictureUrl, picture);
  await player.file('A file of 64 MiB.', largeUrl, large);
  const range = [part.from, part.to] as const;
  await player.file('A range of it, as a resumed download requests it.', largeUrl, part, range);
  await player.file(`A file with the name ${hostile.name}`, hostileUrl, hostile);

  paper.heading('A folder with relative links');
  const gallery = await player.issue('A token for all files below /download/gallery/.', {
    prefix: '/download/gallery/',
  });
  const pageUrl = `${gallery.url}index.html`;
  await player.file('The page in this folder.', pageUrl, page);
  const link = new URL('thumbnail.png', pageUrl).href;
  await player.file('Its <img src="thumbnail.png">, as a browser resolves it.', link, thumbnail);

  paper.heading('A single-use link that allows ranges and retries');
  const single = await player.issue('A token for one requester: the first one.', {
    path: `/download/${large.name}`,
    max_uses: 1,
  });
  await player.file('You are the first requester.', single.url, large);
  await player.file('You can continue, with ranges and retries.', single.url, part, range);
  await player.uses('No use is left for another requester.', single.id);

  paper.heading('Revocation');
  const doomed = await player.issue('Issue a token.', { path: `/download/${text.name}` });
  await player.revoke('Revoke it.', doomed.access_token);
  const invalid = { status: 401, code: 'invalid_token' };
  await player.get('The revoked token is denied.', doomed.url, invalid);
  const slow = { path: `/slow/${large.name}` };
  const running = await player.issue('A token for a download at 4 MB/s, in slices.', slow);
  await player.cut('Revoke it while the file arrives: the download ends.', running, large);

  paper.heading('The same with X-Accel-Redirect, at /media/ of the same nginx');
  const closed = `${origin}/media/${text.name}`;
  await player.get('A request without a token is denied.', closed, missing);
  const media = await player.issueAll('Issue two tokens.', [
    { path: `/media/${picture.name}` },
    { path: `/media/${hostile.name}` },
  ]);
  const [mediaUrl = '', hostileMediaUrl = ''] = media.map(({ url }) => url);
  await player.file('The image.', mediaUrl, picture);
  await player.file('The file with the unusual name.', hostileMediaUrl, hostile);
  const other = `${closed}?token=${token.access_token}`;
  await player.get('A token for /download/ does not work here.', other, forbidden);
}
