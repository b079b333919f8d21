import { expect, test } from 'vitest';
import type { LookUpResult } from '../../service/domain/look-up.ts';
import { createRevoke } from '../../service/domain/revoke.ts';
import { createMemoryStore } from '../../service/store/memory.ts';
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
  ["another issuer's token", { id: 'i', recorded: 'optional', grant }, 'revokeExternal i'],
])(
  'revoke: %s that is already revoked reaches the store, which may confirm it',
  async (_, found, call) => {
    expect(await callsOf(found)).toEqual([call]);
  },
);

test('revoke: a JWT of an issuer that is not trusted does not reach the store', async () => {
  expect(await callsOf({ rejection: { reason: 'kid' } })).toEqual([]);
});
