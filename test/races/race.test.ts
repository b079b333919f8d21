import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { modes } from '../support/site.ts';
import { askAtOnce, lineUp, RACERS, type Racer, tally } from './racers.ts';
import { type Kept, type RaceSite, startRaceSite } from './site.ts';

const kept: readonly Kept[] = ['Redis', 'memory'];
const tracks = kept.flatMap((store) => modes.map((mode) => [mode, store] as const));

describe.each(tracks)('races: a thousand clients and one token by %s on %s', (mode, store) => {
  let site: RaceSite;
  let racers: Racer[];
  beforeAll(async () => {
    site = await startRaceSite(mode, store);
    racers = await lineUp(site.port);
  });
  afterAll(async () => {
    for (const racer of racers) racer.close();
    await site.stop();
  });

  test('a token without max_uses is allowed for all', async () => {
    const { url } = await site.issue({ path: '/download/a' });
    expect(tally(await askAtOnce(racers, 'GET', url))).toEqual({ delivered: RACERS });
  });

  test.each([1, 7])('max_uses %i: exactly so many are allowed and may continue', async (max) => {
    const { id, url } = await site.issue({ path: '/download/a', max_uses: max });
    const answers = await askAtOnce(racers, 'GET', url);
    const won = racers.filter((_, i) => answers[i]?.status === 200);
    expect(tally(answers)).toEqual({ delivered: max, 401: RACERS - max });

    const again = await askAtOnce(racers, 'GET', url);
    expect(racers.filter((_, i) => again[i]?.status === 200)).toEqual(won);
    expect(tally(again)).toEqual(tally(answers));

    const { body } = await site.api(`GET /tokens/${id}`);
    expect(body).toMatchObject({ max_uses: max, uses_left: 0 });
    const listed = body.requesters.map(({ address }: { address: string }) => address);
    expect(listed.sort()).toEqual(won.map(({ address }) => address).sort());
  });
});
