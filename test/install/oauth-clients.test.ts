import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createClient, type PosternClient } from '../../client/client.ts';
import { findNpmProgram } from '../harness/npm-programs.ts';
import { freePorts } from '../harness/ports.ts';
import { tryRun } from '../harness/run.ts';
import { type ServiceProcess, startService } from '../harness/service.ts';
import { needTool } from '../support/need-tool.ts';

// Libraries for OAuth use /introspect and /revoke as they are, with their default client authentication.

/** A key with characters that libraries encode in HTTP Basic. */
const KEY = 'a-key~with*all!of:these';

let service: ServiceProcess;
let postern: PosternClient;
let issuer: URL;
beforeAll(async () => {
  const [port] = await freePorts(1);
  issuer = new URL(`http://127.0.0.1:${port}`);
  service = await startService({
    env: {
      POSTERN_MOUNTS: '/download/=/protected/',
      POSTERN_API_KEYS: `web:${KEY}`,
      POSTERN_API_LISTEN: issuer.host,
      POSTERN_API_URL: issuer.origin,
    },
  });
  postern = createClient({ url: issuer.origin, key: KEY });
});
afterAll(() => service?.stop());

let token: string;
let id: string;
beforeEach(async () => {
  ({ access_token: token, id } = await postern.issue({ path: '/download/a', subject: 'é' }));
});

const isLive = () =>
  postern.show(id).then(
    () => true,
    ({ code }) => code !== 'not_found',
  );

const MINUTE = 60_000;

test(
  'OAuth: openid-client finds the endpoints, introspects and revokes',
  async () => {
    const oidc = await import(await findNpmProgram('openid-client'));
    const options = { algorithm: 'oauth2', execute: [oidc.allowInsecureRequests] };
    for (const auth of [undefined, oidc.ClientSecretBasic(KEY)]) {
      const config = await oidc.discovery(issuer, 'web', KEY, auth, options);
      const next = await postern.issue({ path: '/download/a' });
      const state = await oidc.tokenIntrospection(config, next.access_token);
      expect(state).toMatchObject({ active: true, token_type: 'Bearer' });
      await oidc.tokenRevocation(config, next.access_token);
      expect(await oidc.tokenIntrospection(config, next.access_token)).toEqual({ active: false });
    }
  },
  MINUTE,
);

const AUTHLIB = `
import json, sys
from authlib.integrations.requests_client import OAuth2Session
url, key, token = sys.argv[1:]
print(json.dumps([
    [
        session.introspect_token(f"{url}/introspect", token=token).json()["active"],
        session.revoke_token(f"{url}/revoke", token=token).status_code,
        session.introspect_token(f"{url}/introspect", token=token).json()["active"],
    ]
    for session in (
        OAuth2Session("web", key, token_endpoint_auth_method=method, revocation_endpoint_auth_method=method)
        for method in ("client_secret_basic", "client_secret_post")
    )
]))
`;

test(
  'OAuth: Authlib introspects and revokes',
  async (context) => {
    const { path, env } = await needTool('python3-authlib', context);
    // Otherwise it accepts only https.
    const insecure = { ...env, AUTHLIB_INSECURE_TRANSPORT: '1' };
    const { ok, output } = await tryRun(path, ['-c', AUTHLIB, issuer.origin, KEY, token], insecure);
    expect(ok, output).toBe(true);
    expect(JSON.parse(output)).toEqual([
      [true, 200, false],
      [false, 200, false],
    ]);
    expect(await isLive()).toBe(false);
  },
  MINUTE,
);
