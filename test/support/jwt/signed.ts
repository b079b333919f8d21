import type { TrustedIssuer } from '../../../service/jwt/issuers.ts';
import { openJwt } from '../../../service/jwt/jwt.ts';
import type { FetchedKeys } from '../../../service/jwt/keys.ts';
import { createMounts, type Mount } from '../../../service/paths/mount.ts';
import { createMemoryStore } from '../../../service/store/memory.ts';
import type { Rejection } from '../../../service/token/look-up.ts';
import { createAsked } from '../ask-api.ts';
import { startGate } from '../ask-gate.ts';
import { mount, type PosternOptions } from '../postern.ts';
import { endpoint, foreigner, jwksText, publicHalf } from './issuers.ts';

export interface SignedOptions extends PosternOptions {
  /** The file of Postern's own keys. */
  readonly algorithms?: readonly string[];
  readonly issuers?: readonly TrustedIssuer[];
  /** Other files, by their path. */
  readonly files?: Record<string, string>;
  readonly mounts?: readonly Mount[];
  readonly leeway?: number;
  readonly fetchedKeys?: FetchedKeys;
}

/** Postern with its own keys and a clock that the test sets, over HTTP as nginx and clients use it. */
export async function createSigned(options: SignedOptions = {}) {
  const { algorithms = ['EdDSA'], issuers = [], leeway = 5, ...more } = options;
  const mounts = options.mounts ?? [mount('/download/', '/protected/')];
  const clock = { now: 1_800_000_000_000 };
  const now = options.now ?? (() => clock.now);
  const files: Record<string, string> = { ...options.files, own: await jwksText(...algorithms) };
  const failures: string[] = [];
  const rejections: Rejection[] = [];
  const jwt = await openJwt(
    { issuer: 'https://files.example', jwtKeys: 'own', issuers, leeway },
    {
      mounts: createMounts(mounts),
      now,
      ...(options.fetchedKeys && { fetchedKeys: options.fetchedKeys }),
      readFile: (path) => {
        const text = files[path];
        if (text === undefined) throw new Error('no such file');
        return text;
      },
      onRejected: (rejection) => rejections.push(rejection),
      onFailure: (issuer, error) => failures.push(`${issuer}: ${error.message}`),
    },
  );
  const store = options.store ?? createMemoryStore({ now });
  const asked = createAsked({ ...more, mounts, store, now, jwt: { ...jwt, ...options.jwt } });

  async function issue(body: object, key?: string) {
    const reply = await asked.ask('POST /tokens', { json: { format: 'jwt', ...body }, key });
    if (reply.status !== 201) throw new Error(reply.text);
    return reply.body as { access_token: string; id: string; url: string };
  }

  return { ...asked, clock, files, failures, rejections, jwt, issue };
}

/** The same with a gate, asked for the code of its decision. */
export async function signedGate(
  options: SignedOptions = {},
  after?: Parameters<typeof startGate>[1],
) {
  const signed = await createSigned(options);
  const { store, clock, jwt } = signed;
  const gate = await startGate({ ...options, store, now: () => clock.now, jwt }, after);
  const codeOf = async (uri: string, headers = {}) => {
    const { status, headers: told } = await gate.authRequest(uri, headers);
    return status === 204 ? 'allow' : told['postern-reason'];
  };
  return { ...signed, authRequest: gate.authRequest, confirm: gate.confirm, codeOf };
}

/** A gate that trusts an issuer of download tokens, whose keys are in a file. */
export async function trusting(
  more: Partial<TrustedIssuer> = {},
  options: SignedOptions = {},
  alg = 'EdDSA',
) {
  const app = await foreigner('app', more, alg);
  return { app, ...(await signedGate({ issuers: [app.issuer], files: app.file, ...options })) };
}

/** The same, with keys at a `jwks_uri`: the issuer's own, until the test sets others. */
export async function trustingRemote(
  more: Partial<TrustedIssuer> = {},
  answer?: Parameters<typeof endpoint>[0],
  options: SignedOptions = {},
) {
  const jwks = await endpoint(answer);
  const app = await foreigner('app', { keys: { uri: jwks.uri }, ...more });
  jwks.state.keys = [publicHalf(app.jwk)];
  return { jwks, app, ...(await signedGate({ issuers: [app.issuer], ...options })) };
}
