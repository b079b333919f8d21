import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { modes } from '../support/site.ts';
import { addressOf, askAtOnce, enter, lineUp, RACERS, type Racer, tally } from './racers.ts';
import { CONTENT, type RaceSite, startRaceSite } from './site.ts';

describe.each(modes)('races: a thousand HEAD requests by %s', (mode) => {
  let site: RaceSite;
  let racers: Racer[];
  let other: Racer;
  beforeAll(async () => {
    site = await startRaceSite(mode, 'Redis');
    racers = await lineUp(site.port);
    other = await enter(site.port, addressOf(RACERS));
  });
  afterAll(async () => {
    for (const racer of [...racers, other]) racer.close();
    await site.stop();
  });

  test('take no use, and once all uses are taken only their requesters get 200', async () => {
    const { id, url } = await site.issue({ path: '/download/a', max_uses: 1 });
    const looks = await askAtOnce(racers, 'HEAD', url);
    const told = looks.map((answer) => `${answer.status} ${answer.header('content-length')}`);
    expect(new Set(told)).toEqual(new Set([`200 ${CONTENT.length}`]));
    expect(looks.flatMap((answer) => answer.header('set-cookie') ?? [])).toEqual([]);
    const before = await site.api(`GET /tokens/${id}`);
    expect(before.body).toMatchObject({ uses_left: 1, requesters: [] });

    expect(tally([await other.ask('GET', url)])).toEqual({ delivered: 1 });
    expect(tally(await askAtOnce(racers, 'HEAD', url))).toEqual({ 401: RACERS });
    expect(tally(await askAtOnce(racers, 'GET', url))).toEqual({ 401: RACERS });
    expect((await other.ask('HEAD', url)).status).toBe(200);
    expect(tally([await other.ask('GET', url)])).toEqual({ delivered: 1 });
    const after = await site.api(`GET /tokens/${id}`);
    expect(after.body).toMatchObject({ uses_left: 0, requesters: [{ address: other.address }] });
  });
});
