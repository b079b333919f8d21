import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../test/harness/wait.ts';
import type { Operation, Revoke } from './checker.ts';
import type { Client, Issued } from './client.ts';
import { createRandom, SEED } from './random.ts';
import { GAP_MS } from './row.ts';
import { CLIENTS, FILES } from './site.ts';

/** How many live, revoked and redeemed tokens are asked for again and again. */
const KEPT = 300;
const TICK_MS = 10;
/** What one act sends on average: see ACTS. */
const REQUESTS_PER_ACT = 1.3;
/** Consecutive answers that show that a failure is over. */
const SETTLED = 100;
/** On a machine that is too slow for the load, or every answer would be late. */
const MAX_RUNNING = 1_000;
const MAX_TRIES = 30;
const AUDITORS = 16;

export type Load = Awaited<ReturnType<typeof startLoad>>;

/** Issues, opens, redeems and revokes tokens, so many requests per second, however slow the answers are. */
export async function startLoad(client: Client, perSecond: number) {
  const { history } = client;
  const all: Issued[] = [];
  const live: Issued[] = [];
  const revoked: Issued[] = [];
  const redeemed: Issued[] = [];
  let stopped = false;
  let requesters = 0;
  let subjects = 0;

  const random = createRandom();
  /** For what happens after a response, so that its time does not change which acts follow. */
  const randomLater = createRandom(SEED + 1);
  const pick = <T>(values: readonly T[]): T | undefined =>
    values[Math.floor(random() * values.length)];
  const file = () => pick(FILES) as string;
  const newRequester = () => {
    requesters += 1;
    return `10.${(requesters >> 16) & 255}.${(requesters >> 8) & 255}.${requesters & 255}`;
  };

  async function issue(more: Parameters<Client['issue']>[1] = {}): Promise<Issued[]> {
    const issued = (await client.issue(file(), more)) ?? [];
    all.push(...issued);
    return issued;
  }

  /** As a client that tries again after 503: the first time earlier than it should. */
  async function insist<T extends string>(ask: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      const outcome = await ask();
      if (outcome !== 'unknown' || stopped || tries === MAX_TRIES) return outcome;
      await sleep((tries === 1 ? 300 : 4_000) * (1 + randomLater()));
    }
  }

  async function lookUp(tokens: readonly Issued[]): Promise<void> {
    const token = pick(tokens);
    if (token) await client.open(token, newRequester());
  }

  /** A token of a file for another file, or a token that does not exist. */
  async function forge(): Promise<void> {
    const own = pick(live);
    if (own === undefined) return;
    const other = FILES.find((name) => name !== own.file) as string;
    const reversed = own.token.slice('ps_'.length).split('').reverse().join('');
    const forged = { ...own, token: `ps_${reversed}` };
    await (random() < 0.5
      ? client.open(own, newRequester(), other)
      : client.open(forged, newRequester()));
  }

  async function redeem(): Promise<void> {
    const [token] = singles.shift() ?? [];
    if (token === undefined) return;
    const requester = newRequester();
    if ((await insist(() => client.open(token, requester))) !== 'opened') return;
    keep(redeemed, token);
    await client.open(token, newRequester());
    // If every requester resumed, none of them would show that its redemption is lost.
    if (randomLater() < 0.3) await client.open(token, requester);
  }

  async function revoke(by: Revoke['by'], from: Issued[][]): Promise<void> {
    const tokens = from.shift() ?? [];
    const [token] = tokens;
    if (token === undefined) return;
    if ((await insist(() => client.revoke(by, tokens))) !== 'done') return;
    for (const each of tokens) keep(revoked, each);
    if (by === 'client') idle.push(token.client as string);
    await client.open(token, newRequester());
  }

  /** Tokens that wait, so that replicas have them long before they are redeemed or revoked. */
  const singles: Issued[][] = [];
  const plain: Issued[][] = [];
  const ofSubjects: Issued[][] = [];
  const ofClients: Issued[][] = [];
  /** Clients without a token, because a revocation would end also those that a response has not yet named. */
  const idle = [...CLIENTS];
  const addSingle = async () => void singles.push(await issue({ single: true }));
  const addPlain = async () => void plain.push(await issue());
  const addSubject = async () => {
    subjects += 1;
    ofSubjects.push(await issue({ subject: `s${subjects}`, count: 3 }));
  };
  const addClient = async () => {
    const client = idle.shift();
    if (client !== undefined) ofClients.push(await issue({ client, count: 3 }));
  };

  const renew = async () => {
    for (const token of await issue()) keep(live, token);
  };

  const ACTS: ReadonlyArray<readonly [weight: number, act: () => Promise<unknown>]> = [
    [40, () => lookUp(live)],
    [12, () => lookUp(revoked)],
    [10, () => lookUp(redeemed)],
    [4, forge],
    [4, renew],
    [10, addSingle],
    [10, redeem],
    [8, addPlain],
    [4, () => revoke('id', plain)],
    [4, () => revoke('token', plain)],
    [4, addSubject],
    [4, () => revoke('subject', ofSubjects)],
    [4, addClient],
    [4, () => revoke('client', ofClients)],
  ];
  const bag = ACTS.flatMap(([weight, act]) => Array<typeof act>(weight).fill(act));

  for (const token of await issue({ count: 100 })) keep(live, token);
  singles.push(...(await issue({ single: true, count: 60 })).map((token) => [token]));
  plain.push(...(await issue({ count: 60 })).map((token) => [token]));
  // One after the other, because the API limits the requests of a client at a time.
  for (let i = 0; i < 30; i += 1) await addSubject();
  const running = new Set<Promise<unknown>>();
  const actsPerMs = perSecond / REQUESTS_PER_ACT / 1000;
  let owed = 0;
  let before = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    owed += (now - before) * actsPerMs;
    before = now;
    if (running.size > MAX_RUNNING) owed = 0;
    for (; owed >= 1; owed -= 1) {
      const act = (pick(bag) as () => Promise<unknown>)();
      running.add(act);
      act.finally(() => running.delete(act));
    }
  }, TICK_MS);

  function end(): void {
    stopped = true;
    clearInterval(timer);
  }

  async function audit(maxTries: number): Promise<void> {
    const left = all.values();
    const auditor = async () => {
      for (const token of left) {
        for (let tries = 0; tries < maxTries; tries += 1) {
          if ((await client.open(token, newRequester())) !== 'unknown') break;
          await sleep(100);
        }
      }
    };
    await Promise.all(Array.from({ length: AUDITORS }, auditor));
  }

  return {
    /** Waits until requests of that kind are answered again. */
    async settled(isOf: (operation: Operation) => boolean) {
      const from = history.length;
      const isSettled = () => {
        const own = history.slice(Math.max(from, history.length - 20 * SETTLED)).filter(isOf);
        const last = own.slice(-SETTLED);
        if (last.length < SETTLED || last.some(({ outcome }) => outcome === 'unknown'))
          return false;
        // Otherwise the next failure would count as the same outage.
        const failed = history.findLast((one) => isOf(one) && one.outcome === 'unknown');
        return performance.now() > (failed?.end ?? 0) + GAP_MS;
      };
      await waitFor(isSettled, { what: 'answers', deadline: 120_000 });
    },
    end,
    /** Ends the load. Then asks for each token once more, as a requester that is new, up to so many times. */
    async stop(tries = MAX_TRIES) {
      end();
      await Promise.all(running);
      await audit(tries);
    },
  };
}

function keep<T>(values: T[], value: T): void {
  if (values.push(value) > KEPT) values.shift();
}
