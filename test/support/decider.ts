import { createAuthorize } from '../../service/decide/authorize.ts';
import type { Deadline } from '../../service/decide/deadline.ts';
import type { Confirmation, Decision, GateRequest } from '../../service/decide/decision.ts';
import { createIssue, type Issued } from '../../service/issue/issue.ts';
import { createMounts, type Mount } from '../../service/paths/mount.ts';
import { createMemoryStore } from '../../service/store/memory.ts';
import type { Client } from '../../service/token/client.ts';
import type { GrantRequest } from '../../service/token/grant-fields.ts';
import { createLookUp, type Verify } from '../../service/token/look-up.ts';
import { RequestError } from '../../service/token/request-error.ts';
import type { Store } from '../../service/token/store.ts';
import { JWT_TYPE } from '../../service/token/token.ts';
import { mount } from './postern.ts';

export const client: Client = { id: 'test', targets: [], maxExpiresIn: 3600, maxResumeFor: 86_400 };

/** Has the form of a JWT. The test's own `verify` decides what it contains. */
export const JWT = `${Buffer.from(JSON.stringify({ typ: JWT_TYPE })).toString('base64url')}.eyJhIjoxfQ.${'c'.repeat(43)}`;

const UNLIMITED: Deadline = { late: undefined };

export interface DeciderOptions {
  readonly mounts?: readonly Mount[];
  readonly decisionTtl?: number;
  readonly store?: Store;
  readonly client?: Client;
  readonly verify?: Verify;
}

const REQUEST = {
  ...{ method: 'GET', site: 'files.example', address: '192.0.2.1' },
  ...{ authorization: undefined, cookie: undefined, resume: undefined },
  ...{ prefetch: false, serviceWorker: false },
};

/** Issuing and authorizing over one store, with a clock that the test sets. */
export function createDecider(options: DeciderOptions = {}) {
  const clock = { now: 1_800_000_000_000 };
  const now = () => clock.now;
  const mounts = createMounts(options.mounts ?? [mount('/download/', '/protected/')]);
  const store = options.store ?? createMemoryStore({ now });
  const usual = { countsBytes: true, expiresIn: 120, resumeFor: 3600, format: 'opaque' } as const;
  const issueAll = createIssue({ mounts, store, now, ...usual });
  const { decisionTtl = 0, verify = async () => ({ reason: 'no key' }) } = options;
  const lookUp = createLookUp({ store, verify, timed: decisionTtl > 0, leeway: 5, now });
  const authorize = createAuthorize({ mounts, store, lookUp, decisionTtl, now });
  return {
    clock,
    store,
    async issue(request: GrantRequest): Promise<Issued> {
      const [issued] = await issueAll(options.client ?? client, [{ at: '', request }]);
      return issued as Issued;
    },
    issueAll: (...requests: GrantRequest[]) =>
      issueAll(
        options.client ?? client,
        requests.map((request, i) => ({ at: `/${i}`, request })),
      ),
    authorize: (uri: string, more: Partial<GateRequest> = {}, deadline: Deadline = UNLIMITED) =>
      authorize({ uri, ...REQUEST, ...more }, deadline),
  };
}

/** The form of the page, as a program sends it. */
export const post = (more: Partial<Confirmation> = {}) => ({
  method: 'POST',
  confirmation: {
    ...{ fetchSite: undefined, origin: undefined, host: 'files.example', pin: undefined },
    ...more,
  },
});

/** The resume cookie of a requester that has confirmed. */
export const resumeOf = (decision: Decision) =>
  !decision.allow && decision.code === 'confirmed' ? decision.resumeCookie?.value : undefined;

export async function issued(request: GrantRequest, options: DeciderOptions = {}) {
  const decider = createDecider(options);
  return { ...decider, ...(await decider.issue(request)) };
}

/** What issuing was refused for: the code, and the errors' pointers. */
export async function refusal(issuing: Promise<unknown>) {
  try {
    await issuing;
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return { code: error.code, pointers: error.errors.map(({ pointer }) => pointer) };
  }
  throw new Error('was not refused');
}
