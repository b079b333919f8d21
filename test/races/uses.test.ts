import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Redis } from '../harness/redis.ts';
import { waitFor } from '../harness/wait.ts';
import { tell } from '../store/open-redis.ts';
import { askGate } from '../support/ask-service.ts';
import { modes } from '../support/site.ts';
import {
  addressOf,
  askAtOnce,
  askInTurn,
  enter,
  lineUp,
  RACERS,
  type Racer,
  tally,
} from './racers.ts';
import { CONTENT, type Kept, type RaceSite, startRaceSite } from './site.ts';

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

describe.each(modes)('races: a thousand requests by %s', (mode) => {
  let site: RaceSite;
  let racers: Racer[];
  let stranger: Racer;
  beforeAll(async () => {
    site = await startRaceSite(mode, 'Redis');
    racers = await lineUp(site.port);
    stranger = await enter(site.port, addressOf(RACERS));
  });
  afterAll(async () => {
    for (const racer of [...racers, stranger]) racer.close();
    await site.stop();
  });

  test('HEAD requests take no use, and once all uses are taken only their requesters get 200', async () => {
    const { id, url } = await site.issue({ path: '/download/a', max_uses: 1 });
    const looks = await askAtOnce(racers, 'HEAD', url);
    const told = looks.map((answer) => `${answer.status} ${answer.header('content-length')}`);
    expect(new Set(told)).toEqual(new Set([`200 ${CONTENT.length}`]));
    expect(looks.flatMap((answer) => answer.header('set-cookie') ?? [])).toEqual([]);
    const before = await site.api(`GET /tokens/${id}`);
    expect(before.body).toMatchObject({ uses_left: 1, requesters: [] });

    expect(tally([await stranger.ask('GET', url)])).toEqual({ delivered: 1 });
    expect(tally(await askAtOnce(racers, 'HEAD', url))).toEqual({ 401: RACERS });
    expect(tally(await askAtOnce(racers, 'GET', url))).toEqual({ 401: RACERS });
    expect((await stranger.ask('HEAD', url)).status).toBe(200);
    expect(tally([await stranger.ask('GET', url)])).toEqual({ delivered: 1 });
    const after = await site.api(`GET /tokens/${id}`);
    expect(after.body).toMatchObject({ uses_left: 0, requesters: [{ address: stranger.address }] });
  });

  test.each([1, 300])('revoke after %i responses: every later request is denied', async (early) => {
    const { id, url } = await site.issue({ path: '/download/a', max_uses: RACERS });
    const resume = { Cookie: await resumeCookie(site, url) };
    expect(resume.Cookie).toMatch(/^postern_resume=[\w-]{22}$/);
    expect(tally([await stranger.ask('GET', url, resume)])).toEqual({ delivered: 1 });

    let answered = 0;
    let revoked = false;
    const asked = await askInTurn(racers, async (racer, turn) => {
      // At this moment, 400 have their answers, and up to 300 requests are in progress.
      if (turn >= 700) await waitFor(() => revoked, { what: 'the revocation' });
      const late = revoked;
      const answer = await racer.ask('GET', url);
      answered += 1;
      if (answered === early) {
        void site.api(`DELETE /tokens/${id}`).then(({ status }) => {
          revoked = status === 204;
        });
      }
      return { late, answer };
    });

    const late = asked.filter((one) => one.late).map(({ answer }) => answer);
    expect(late.length).toBeGreaterThanOrEqual(300);
    expect(tally(late)).toEqual({ 401: late.length });
    // A request in progress counts as before or after the revocation.
    const { delivered = 0, 401: refused = 0 } = tally(asked.map(({ answer }) => answer));
    expect(delivered).toBeGreaterThanOrEqual(early);
    expect(delivered + refused).toBe(RACERS);

    for (const method of ['GET', 'HEAD'] as const) {
      expect(tally(await askAtOnce(racers, method, url))).toEqual({ 401: RACERS });
      expect((await stranger.ask(method, url, resume)).status).toBe(401);
    }
    expect(await tell(site.redis as Redis, `EXISTS postern:grant:{${id}}`)).toBe(':0');
    expect((await site.api(`GET /tokens/${id}`)).status).toBe(404);
  });

  test('prolong again and again: no use is lost or gained', async () => {
    const max = 300;
    const { id, url } = await site.issue({ path: '/download/a', max_uses: max });
    /** How many uses were left at each prolongation. */
    const left: number[] = [];
    const inTheMidst = () => left.some((uses) => uses > 0 && uses < max);
    let racing = true;
    const race = askInTurn(racers, async (racer, turn) => {
      if (turn >= 250) await waitFor(inTheMidst, { what: 'a prolongation in their midst' });
      return racer.ask('GET', url);
    }).finally(() => {
      racing = false;
    });
    for (let seconds = 600; racing; seconds += 1) {
      const { status, body } = await site.api(`PATCH /tokens/${id}`, { expires_in: seconds });
      expect(status).toBe(200);
      left.push(body.uses_left);
    }
    const answers = await race;
    expect(left).toEqual([...left].sort((a, b) => b - a));
    expect(tally(answers)).toEqual({ delivered: max, 401: RACERS - max });

    const won = racers.filter((_, i) => answers[i]?.status === 200);
    const { body } = await site.api(`GET /tokens/${id}`);
    expect(body.uses_left).toBe(0);
    const listed = body.requesters.map(({ address }: { address: string }) => address);
    expect(listed.sort()).toEqual(won.map(({ address }) => address).sort());
    expect(tally(await askAtOnce(won, 'GET', url))).toEqual({ delivered: max });
  });
});

/** Uses a token from an address that no racer has, and returns the cookie that it is given. */
async function resumeCookie({ instances }: RaceSite, url: string): Promise<string> {
  const { gatePort = 0 } = instances[0] ?? {};
  const answer = await askGate({ gatePort }, url, { 'X-Real-IP': '192.0.2.1' });
  return (answer.headers.get('postern-set-cookie') ?? '').split(';', 1)[0] ?? '';
}
