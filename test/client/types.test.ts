import { describe, expect, expectTypeOf, test } from 'vitest';
import type {
  ApiErrorCode,
  ErrorCode,
  FileRequest,
  FolderRequest,
  Introspection,
  IssuedToken,
  ListQuery,
  PosternClient,
  PosternError,
  TokenPage,
  TokenRequest,
  TokenState,
} from '../../client/client.ts';
import type { SignRequest } from '../../client/sign.ts';
import { clientTypes } from '../../dev/build/client-types.ts';
import type { DenyCode } from '../../service/decide/decision.ts';
import type { ProblemCode } from '../../service/problem.ts';
import { GRANT_FIELDS } from '../../service/token/grant-fields.ts';
import type { RequestErrorCode } from '../../service/token/request-error.ts';

// tsc checks the types: `npm run typecheck`.

describe('types of postern/client', () => {
  test('requests have the fields of the API, and no others', () => {
    expectTypeOf<TokenRequest['bind']>().toEqualTypeOf<'any' | 'cookie' | undefined>();
    expectTypeOf<TokenRequest['ip']>().toEqualTypeOf<readonly string[] | undefined>();
    type Name = keyof FileRequest | keyof FolderRequest;
    expectTypeOf<Name>().toEqualTypeOf<keyof typeof GRANT_FIELDS>();
    expectTypeOf<FileRequest>().not.toHaveProperty('cookie');
    const accepts = (_: TokenRequest) => {};
    accepts({ path: '/download/a', subject: undefined });
    // @ts-expect-error A misspelt limit is an error.
    accepts({ path: '/download/a', max_use: 1 });
    // @ts-expect-error It opens nothing.
    accepts({ subject: 'x' });
    // @ts-expect-error A token opens a file or a folder.
    accepts({ path: '/download/a', prefix: '/download/' });
    // @ts-expect-error Seconds are a number.
    accepts({ path: '/download/a', expires_in: '120' });
  });

  test('responses have the fields of the API', () => {
    expectTypeOf<IssuedToken['url']>().toBeString();
    expectTypeOf<IssuedToken['cookie_url']>().toEqualTypeOf<string | undefined>();
    expectTypeOf<IssuedToken['warning']>().toEqualTypeOf<string | undefined>();
    expectTypeOf<TokenState['exp']>().toBeNumber();
    expectTypeOf<TokenState>().not.toHaveProperty('pin');
    expectTypeOf<TokenPage['tokens'][number]>().toEqualTypeOf<TokenState>();
    expectTypeOf<PosternClient['issueMany']>().returns.resolves.toEqualTypeOf<IssuedToken[]>();
    expectTypeOf<PosternClient['revoke']>().returns.resolves.toBeBoolean();
    expectTypeOf<ListQuery['path']>().toEqualTypeOf<string | undefined>();
  });

  test('an introspection has fields only if the token is active', () => {
    const subjectOf = (answer: Introspection) => (answer.active ? answer.sub : undefined);
    expectTypeOf(subjectOf).returns.toEqualTypeOf<string | undefined>();
    // @ts-expect-error Whether it is active has not been checked.
    const _ = (answer: Introspection) => answer.sub;
  });

  test('codes of errors are those of the API, and three of the client', () => {
    type Api = RequestErrorCode | Exclude<ProblemCode, DenyCode | 'confirmed'> | 'unavailable';
    expectTypeOf<ApiErrorCode>().toEqualTypeOf<Api>();
    expectTypeOf<PosternError['code']>().toEqualTypeOf<ErrorCode>();
  });

  test('a signed token has the fields that a claim can have', () => {
    expectTypeOf<SignRequest['expires_in']>().toBeNumber();
    expectTypeOf<SignRequest>().toHaveProperty('subject');
    for (const name of ['pin', 'target_args', 'format', 'revocable'] as const) {
      expectTypeOf<SignRequest>().not.toHaveProperty(name);
    }
  });
});

test('the published types have each field of a request with its description and bounds', () => {
  const text = clientTypes();
  for (const name of Object.keys(GRANT_FIELDS)) expect(text).toContain(`  readonly ${name}?: `);
  expect(text).toMatch(
    / {2}\/\*\* Number of requesters .*\. From 1 to 1000\. \*\/\n {2}readonly max_uses\?: number \| undefined;\n/,
  );
  for (const name of ['prefix', 'path']) {
    expect(text).toContain(`  readonly ${name}?: never | undefined;\n`);
  }
  expect(text).not.toMatch(/import|zod|9007199254740991/);
});
