import type { Paper } from './paper.ts';
import type { Player } from './player.ts';
import type { Site } from './site.ts';

/** The flow, a step at a time. Returns the URL of a page to look at. */
export async function play(
  { origin, samples }: Site,
  player: Player,
  paper: Paper,
): Promise<string> {
  const { text, picture, hostile, large, part, page, thumbnail } = samples;

  paper.heading('A token opens one file, for a while');
  const plain = `${origin}/download/${text.name}`;
  await player.get('Without a token nothing comes.', plain, { status: 401, code: 'missing_token' });
  const token = await player.issue('Your application asks for a token and hands on the URL.', {
    path: `/download/${text.name}`,
  });
  await player.file('With it the file comes: nginx sends it.', token.url, text);
  const elsewhere = `${origin}/download/${picture.name}?token=${token.access_token}`;
  const forbidden = { status: 403, code: 'insufficient_scope' };
  await player.get('It opens no other file.', elsewhere, forbidden);
  const inside = `${origin}/protected/${text.name}?token=${token.access_token}`;
  await player.get('The internal address cannot be asked for.', inside, { status: 404 });

  paper.heading('Any file');
  const files = [picture, large, hostile];
  const issued = await player.issueAll(
    'Several tokens at once.',
    files.map(({ name }) => ({ path: `/download/${name}` })),
  );
  const [pictureUrl = '', largeUrl = '', hostileUrl = ''] = issued.map(({ url }) => url);
  await player.file('A picture.', pictureUrl, picture);
  await player.file('64 MiB.', largeUrl, large);
  const range = [part.from, part.to] as const;
  await player.file('A part of it alone, as a resumed download asks.', largeUrl, part, range);
  await player.file(`A file named ${hostile.name}`, hostileUrl, hostile);

  paper.heading('A folder, with its relative links');
  const gallery = await player.issue('A token for all that lies in /download/gallery/.', {
    prefix: '/download/gallery/',
  });
  const pageUrl = `${gallery.url}index.html`;
  await player.file('The page.', pageUrl, page);
  const link = new URL('thumbnail.png', pageUrl).href;
  await player.file('Its <img src="thumbnail.png">, as a browser resolves it.', link, thumbnail);

  paper.heading('A link for one, which survives what downloads do');
  const single = await player.issue('A token that one may use: who comes first.', {
    path: `/download/${large.name}`,
    max_uses: 1,
  });
  await player.file('You are the first.', single.url, large);
  await player.file('You go on, in ranges and retries.', single.url, part, range);
  await player.uses('For anyone else nothing is left.', single.id);

  paper.heading('Until you take it back');
  const doomed = await player.issue('Another token.', { path: `/download/${text.name}` });
  await player.revoke('Revoked.', doomed.access_token);
  const invalid = { status: 401, code: 'invalid_token' };
  await player.get('It opens nothing any more.', doomed.url, invalid);

  paper.heading('The same by X-Accel-Redirect, under /media/ of the same nginx');
  const closed = `${origin}/media/${text.name}`;
  await player.get('Without a token.', closed, { status: 401, code: 'missing_token' });
  const media = await player.issueAll('Two tokens.', [
    { path: `/media/${picture.name}` },
    { path: `/media/${hostile.name}` },
  ]);
  const [mediaUrl = '', hostileMediaUrl = ''] = media.map(({ url }) => url);
  await player.file('The picture.', mediaUrl, picture);
  await player.file('The awkward name.', hostileMediaUrl, hostile);
  const other = `${closed}?token=${token.access_token}`;
  await player.get('A token for /download/ opens nothing here.', other, forbidden);
  return pageUrl;
}
