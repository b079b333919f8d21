import type { Api as Service } from '../api/ask.ts';
import { Problem } from '../api/problem.ts';
import { Failure } from '../failure.ts';

export interface Token {
  readonly id: string;
  readonly token: string;
  /** The path and query that use it. */
  readonly target: string;
}

export interface TokenState {
  readonly requesters?: readonly { readonly address?: string }[];
}

/** Postern's API, as far as the doctor needs it. Each call throws a Failure where it does not answer. */
export interface Api {
  /** Also throws a Failure where Postern refuses. */
  issue(fields: object): Promise<Token>;
  /** Undefined where Postern refuses: it is beyond this key, or makes no sense for this mount. */
  issueIfMay(fields: object): Promise<Token | undefined>;
  revoke(id: string): Promise<void>;
  /** Undefined where it has ended. */
  show(id: string): Promise<TokenState | undefined>;
  /** Revokes all that it has issued. */
  revokeAll(): Promise<void>;
  /** Every token so far. */
  readonly issued: readonly string[];
}

/** Seconds. Long enough for each check, which issues its own. */
const EXPIRES_IN = 60;

/** All tokens have one subject, by which they are revoked together. */
export function createApi(service: Service, subject: string): Api {
  const issued: string[] = [];

  async function issue(fields: object): Promise<Token> {
    const asked = JSON.stringify({ expires_in: EXPIRES_IN, subject, ...fields });
    const answer = (await service.ask('POST', '/tokens', asked)) as Record<string, unknown>;
    const { access_token: token, id, url } = answer;
    if (typeof token !== 'string' || typeof id !== 'string' || typeof url !== 'string') {
      throw new Failure('the API sent a response that is not from Postern');
    }
    issued.push(token);
    return { token, id, target: url.replace(/^[a-z]+:\/\/[^/]+/i, '') };
  }

  return {
    issued,
    issue,
    issueIfMay: (fields) => issue(fields).catch(unless('invalid_request', 'insufficient_scope')),
    async revoke(id) {
      await service.ask('DELETE', `/tokens/${id}`).catch(unless('not_found'));
    },
    async show(id) {
      return (await service.ask('GET', `/tokens/${id}`).catch(unless('not_found'))) as
        | TokenState
        | undefined;
    },
    async revokeAll() {
      if (issued.length === 0) return;
      await service.ask('DELETE', `/tokens?${new URLSearchParams({ subject })}`);
    },
  };
}

function unless(...codes: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof Problem && codes.includes(error.code)) return undefined;
    throw error;
  };
}
