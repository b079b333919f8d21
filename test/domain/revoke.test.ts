import { expect, test } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import type { LookUpResult } from '../../service/token/look-up.ts';
import { createRevoke } from '../../service/token/revoke.ts';
import { StoreUnavailable } from '../../service/token/store.ts';
import { apiKey, KEY } from '../support/postern.ts';

const { client } = apiKey(KEY);
const JWT = 'a.b.c';

/** The calls that a revocation by a JWT makes, if the look-up says so. */
async function callsOf(found: LookUpResult): Promise<string[]> {
  const calls: string[] = [];
  const store = {
    ...createMemoryStore(),
    async revoke(id: string, owner: string) {
      calls.push(`revoke ${id} ${owner}`);
      return false;
    },
    async revokeExternal(id: string) {
      calls.push(`revokeExternal ${id}`);
    },
  };
  const now = Date.now;
  const revoke = createRevoke({ store, lookUp: async () => found, owners: new Map(), now });
  await revoke.token(client, JWT);
  return calls;
}

const grant = {
  client: client.id,
  mount: '/download/',
  covers: '/download/a',
  issuedAt: 1,
  expiresAt: 2,
  external: true,
} as const;

test.each<[string, LookUpResult, string]>([
  ["a token of Postern's", { id: 'i', recorded: 'required' }, `revoke i ${client.id}`],
  ["a live token of Postern's", { id: 'i', recorded: 'required', grant }, `revoke i ${client.id}`],
  ["another issuer's token", { id: 'i', recorded: 'optional', grant }, 'revokeExternal i'],
])(
  'revoke: %s reaches the store, which may have to confirm an earlier revocation',
  async (_, found, call) => {
    expect(await callsOf(found)).toEqual([call]);
  },
);

test('revoke: a JWT of an issuer that is not trusted does not reach the store', async () => {
  expect(await callsOf({ rejection: { reason: 'kid' } })).toEqual([]);
});

test("revoke: a failure of the store is reported for another issuer's token", async () => {
  const failed = new StoreUnavailable('it is down');
  const revokeExternal = () => Promise.reject(failed);
  const store = { ...createMemoryStore(), find: async () => grant, revokeExternal };
  const lookUp = async () => ({ id: 'i', recorded: 'optional', grant }) as const;
  const owners = new Map([['https://app.example', client]]);
  const revoke = createRevoke({ store, lookUp, owners, now: Date.now });
  await expect(revoke.token(client, JWT)).rejects.toBe(failed);
  await expect(revoke.id(client, 'i')).rejects.toBe(failed);
  await expect(revoke.jti(client, 'https://app.example', 'j')).rejects.toBe(failed);
});
