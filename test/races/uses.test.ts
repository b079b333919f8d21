import { afterAll, describe, expect, test } from 'vitest';
import { waitFor } from '../harness/wait.ts';
import { askGate } from '../support/ask-service.ts';
import {
  addressOf,
  askAtOnce,
  askInTurn,
  enter,
  lineUp,
  RACERS,
  type Racer,
  startRaceSite,
  tally,
} from '../support/racers.ts';
import type { RawAnswer } from '../support/raw.ts';
import { tell } from '../support/store/open-redis.ts';

describe.each([
  ['auth_request', 'Redis'],
  ['X-Accel', 'memory'],
] as const)('races: a thousand clients and one token by %s on %s', async (mode, store) => {
  const site = await startRaceSite(mode, store, afterAll);
  const racers = await lineUp(site.port);
  const stranger = await enter(site.port, addressOf(RACERS));
  afterAll(() => {
    for (const racer of [...racers, stranger]) racer.close();
  });

  /** The racers that got the file, which are exactly the requesters of the token. The API shows the newest 100. */
  async function winners(id: string, answers: readonly RawAnswer[]): Promise<Racer[]> {
    const won = racers.filter((_, i) => answers[i]?.status === 200);
    const { body } = await site.api(`GET /tokens/${id}`);
    expect(body.uses_left).toBe(0);
    const listed = new Set(body.requesters.map(({ address }: { address: string }) => address));
    const addresses = won.map(({ address }) => address);
    expect([body.requesters_total, listed.size]).toEqual([won.length, Math.min(won.length, 100)]);
    expect([...listed].filter((address) => !addresses.includes(address as string))).toEqual([]);
    return won;
  }

  test('a token without max_uses is allowed for all', async () => {
    const { url } = await site.issue({ path: '/download/a' });
    expect(tally(await askAtOnce(racers, 'GET', url))).toEqual({ delivered: RACERS });
  });

  test.each([1, 7])('max_uses %i: exactly so many are allowed and may continue', async (max) => {
    const { id, url } = await site.issue({ path: '/download/a', max_uses: max });
    const answers = await askAtOnce(racers, 'GET', url);
    expect(tally(answers)).toEqual({ delivered: max, 401: RACERS - max });
    const again = await askAtOnce(racers, 'GET', url);
    expect(await winners(id, again)).toEqual(await winners(id, answers));
  });

  test('revoke among responses: every later request is denied', async () => {
    const { id, url } = await site.issue({ path: '/download/a', max_uses: RACERS });
    // A use from an address that no racer has.
    const { headers } = await askGate(site, url, { 'X-Real-IP': '192.0.2.1' });
    const resume = { Cookie: headers.get('postern-set-cookie')?.split(';', 1)[0] ?? '' };
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
      if (answered === 300) {
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
    expect(delivered).toBeGreaterThanOrEqual(300);
    expect(delivered + refused).toBe(RACERS);

    for (const method of ['GET', 'HEAD'] as const) {
      expect(tally(await askAtOnce(racers, method, url))).toEqual({ 401: RACERS });
      expect((await stranger.ask(method, url, resume)).status).toBe(401);
    }
    const exists = `EXISTS postern:grant:{${id}}`;
    if (site.redis) expect(await tell(site.redis, exists)).toBe(':0');
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
    const won = await winners(id, answers);
    expect(tally(await askAtOnce(won, 'GET', url))).toEqual({ delivered: max });
  });
});
