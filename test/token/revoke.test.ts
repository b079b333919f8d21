// Which client may revoke which tokens: ../store/contract.ts and ../api/list-and-revoke.test.ts.
import { describe, expect, test, vi } from 'vitest';
import { createMounts } from '../../service/paths/mount.ts';
import { createMemoryStore } from '../../service/store/memory.ts';
import type { LookUpResult } from '../../service/token/look-up.ts';
import { createRevoke } from '../../service/token/revoke.ts';
import { type Store, StoreUnavailable, Unacknowledged } from '../../service/token/store.ts';
import { refusal } from '../support/decider.ts';
import { apiKey, KEY, mount } from '../support/postern.ts';
import { grantAt } from '../support/store/grants.ts';

describe('revoke', () => {
  const { client } = apiKey(KEY);
  const JWT = 'a.b.c';

  const usual = {
    owners: new Map([['https://app.example', client]]),
    mounts: createMounts([]),
    leeway: 5,
    now: Date.now,
  };

  /** The calls that a revocation by a JWT makes, if the look-up says so. */
  async function callsOf(found: LookUpResult): Promise<string[]> {
    const calls: string[] = [];
    const store: Store = {
      ...createMemoryStore(),
      revoke: async (id, owner) => calls.push(`revoke ${id} ${owner}`) < 0,
      revokeExternal: async (id) => calls.push(`revokeExternal ${id}`) > 0,
    };
    await createRevoke({ store, lookUp: async () => found, ...usual }).token(client, JWT);
    return calls;
  }

  const grant = grantAt(1, { client: client.id, external: true });
  const own = `revoke i ${client.id}`;

  test.each<[string, LookUpResult, string[]]>([
    ["a token of Postern's", { id: 'i', recorded: 'required' }, [own]],
    ["a live token of Postern's", { id: 'i', recorded: 'required', grant }, [own]],
    ["another issuer's token", { id: 'i', recorded: 'optional', grant }, ['revokeExternal i']],
    ['a token of an issuer that is not trusted', { rejection: { reason: 'kid' } }, []],
  ])('revoke: %s reaches the store if an acknowledgment may be due', async (...row) => {
    const [, found, calls] = row;
    expect(await callsOf(found)).toEqual(calls);
  });

  test("revoke: a failure of the store is reported for another issuer's token", async () => {
    const failed = new StoreUnavailable('it is down');
    const revokeExternal = () => Promise.reject(failed);
    const fails = { revokeExternal, revokeSigned: revokeExternal };
    const store = { ...createMemoryStore(), find: async () => ({ grant }), ...fails };
    const lookUp = async () => ({ id: 'i', recorded: 'optional', grant }) as const;
    const revoke = createRevoke({ store, lookUp, ...usual });
    await expect(revoke.token(client, JWT)).rejects.toBe(failed);
    await expect(revoke.id(client, 'i')).rejects.toBe(failed);
    await expect(revoke.jti(client, 'https://app.example', 'j')).rejects.toBe(failed);
    await expect(revoke.all(client.id, 'u')).rejects.toBe(failed);
  });

  test.each([
    [
      'not acknowledged',
      new Unacknowledged('a replica is missing'),
      new StoreUnavailable('it is down'),
    ],
    ['not applied', new StoreUnavailable('it is down'), new Unacknowledged('a replica is missing')],
  ])('revoke: stored tokens of a subject end if signed ones are %s', async (_, signed, stored) => {
    const revokeAll = vi.fn(() => Promise.reject(stored));
    const revokeSigned = () => Promise.reject(signed);
    const store = { ...createMemoryStore(), revokeSigned, revokeAll };
    const revoke = createRevoke({ store, lookUp: async () => ({}), ...usual });
    const answer = revoke.all(client.id, 'u');
    // Whatever the order: only "not applied" says that it must be repeated now.
    await expect(answer).rejects.not.toBeInstanceOf(Unacknowledged);
    expect(revokeAll).toHaveBeenCalledOnce();
  });

  const START = 1_800_000_000;
  test("revoke: another issuer's tokens stay revoked while a download that they began can run", async () => {
    /** When each of the revocations ends. */
    async function endsWith(downloadTime: number): Promise<number[]> {
      const ends: number[] = [];
      const store: Store = {
        ...createMemoryStore(),
        revokeExternal: async (_, until) => ends.push(Number(until)) > 0,
        revokeSigned: async (_, __, keptMs) => ends.push(keptMs),
      };
      const lookUp = async () => ({ id: 'i', recorded: 'optional', grant }) as const;
      const mounts = createMounts([mount('/download/', '/protected/', { downloadTime })]);
      const clock = { now: () => START * 1000 };
      const revoke = createRevoke({ store, lookUp, ...usual, mounts, ...clock });
      await revoke.all(client.id, 'u');
      await revoke.jti(client, 'https://app.example', 'j', START + 60);
      await revoke.token(client, JWT);
      return ends;
    }
    const plain = await endsWith(0);
    expect(await endsWith(100)).toEqual(plain.map((end) => end + 100_000));
    expect(plain).toHaveLength(3);
  });

  test.each<[string, number | undefined, boolean]>([
    ['no exp', undefined, false],
    ['an exp within the limits of the issuer', START + 60, true],
    ['an exp that has passed', START - 60, true],
    ['an exp far ahead', START + 10 * 365 * 86_400, false],
  ])('revoke: by jti with %s', async (_, exp, hasEnd) => {
    const untils: unknown[] = [];
    const revokeExternal = async (_id: string, until: unknown) => untils.push(until) === 1;
    const store = { ...createMemoryStore(), revokeExternal };
    const revoke = createRevoke({
      store,
      lookUp: async () => ({}),
      ...usual,
      now: () => START * 1000,
    });
    const revoked = () => revoke.jti(client, 'https://app.example', 'j', exp);
    await revoked();
    // Longer than any token of the issuer that is valid now: another one may have the same jti.
    if (hasEnd) expect(untils[0]).toBeGreaterThan((START + client.maxExpiresIn) * 1000);
    else expect(untils).toEqual([{ client: client.id, max: 10_000 }]);
    expect(await refusal(revoked())).toMatchObject({ code: 'invalid_request' });
  });
});
