import type { JWK } from 'jose';
import type { Mounts } from '../paths/mount.ts';
import type { Client } from '../token/client.ts';
import type { Rejection } from '../token/look-up.ts';
import { createSigner } from './claims.ts';
import { byPurpose, createClientOf, type TrustedIssuer } from './issuers.ts';
import { createOwnKeys, type FetchedKeys, fileKeys, type KeySource, remoteKeys } from './keys.ts';
import { createVerify } from './verify.ts';

interface JwtOptions {
  /** `iss` of Postern's own tokens. */
  readonly issuer: string;
  /** Path of the JWKS file with Postern's own keys. */
  readonly jwtKeys?: string | undefined;
  readonly issuers: readonly TrustedIssuer[];
  readonly leeway: number;
}

interface JwtDependencies {
  readonly mounts: Mounts;
  readonly readFile: (path: string) => string;
  readonly now: () => number;
  readonly fetchedKeys?: FetchedKeys;
  /** Called when an issuer's keys cannot be fetched. */
  readonly onFailure: (issuer: string, error: Error) => void;
  /** Called when a JWT of an API client is rejected. */
  readonly onRejected?: (rejection: Rejection) => void;
}

export type Jwt = Awaited<ReturnType<typeof openJwt>>;

type KeyFileProblems = ReadonlyArray<{ readonly file: string; readonly reason: string }>;

/** Files of keys cannot be used. The message names all of them. */
export class KeyFilesError extends Error {
  override readonly name = 'KeyFilesError';
  readonly problems: KeyFileProblems;

  constructor(problems: KeyFileProblems) {
    const lines = problems.map(
      ({ file, reason }) => `The keys in ${file} cannot be used: ${reason}`,
    );
    super(lines.join('\n'));
    this.problems = problems;
  }
}

/** Opens the keys, and everything that signs or verifies JWTs. @throws KeyFilesError */
export async function openJwt(
  { issuer, jwtKeys, issuers, leeway }: JwtOptions,
  { mounts, readFile, now, fetchedKeys = new Map(), onFailure, onRejected }: JwtDependencies,
) {
  const problems: Array<KeyFileProblems[number]> = [];
  const own =
    jwtKeys === undefined ? undefined : await inFile('jwt_keys_file', jwtKeys, createOwnKeys);
  const trusted = await Promise.all(
    issuers.map(async (one) => ({ ...one, keys: await keysOf(one) })),
  );
  if (problems.length > 0) throw new KeyFilesError(problems);
  const { clients, downloads } = byPurpose(trusted);
  return {
    verify: createVerify({
      ...(own && { own: { issuer, keys: own } }),
      issuers: downloads,
      mounts,
      leeway,
      now,
    }),
    ...(own && { signer: createSigner(own, issuer) }),
    clientOf: createClientOf(clients, leeway, now, onRejected),
    owners: new Map<string, Client>(downloads.map((one) => [one.issuer, one.client])),
    publicJwks: (): { readonly keys: readonly JWK[] } => own?.publicJwks ?? { keys: [] },
  };

  /** Undefined, with a problem, if the file cannot be used. */
  async function inFile<T>(setting: string, path: string, read: (text: string) => Promise<T>) {
    // A path is named only if there is such a file: a secret can be in its setting.
    let file = setting;
    try {
      const text = readFile(path);
      file = path;
      return await read(text);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      problems.push({
        file,
        reason: file === path ? message : `the file cannot be read (${code})`,
      });
      return undefined;
    }
  }

  async function keysOf({ id, issuer, keys, algorithms }: TrustedIssuer): Promise<KeySource> {
    if ('file' in keys) {
      const read = await inFile(`the jwks_file of ${id}`, keys.file, (text) =>
        fileKeys(text, algorithms),
      );
      return read ?? (async () => undefined);
    }
    const failed = (error: Error) => onFailure(issuer, error);
    return remoteKeys(keys.uri, algorithms, fetchedKeys, now, failed);
  }
}
