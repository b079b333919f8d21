import type { Disposition } from './grant.ts';

/** What a client asks for. Field names as on the wire; types and lengths already checked. */
export interface GrantRequest {
  readonly path?: string | undefined;
  readonly prefix?: string | undefined;
  readonly site?: string | undefined;
  /** Seconds. */
  readonly expires_in?: number | undefined;
  readonly subject?: string | undefined;
  readonly target?: string | undefined;
  readonly target_args?: string | undefined;
  readonly max_uses?: number | undefined;
  /** Seconds. */
  readonly resume_for?: number | undefined;
  readonly bind?: 'any' | 'cookie' | undefined;
  readonly ip?: readonly string[] | undefined;
  readonly filename?: string | undefined;
  readonly disposition?: Disposition | undefined;
  readonly limit_rate?: number | undefined;
  readonly cookie?: boolean | undefined;
  readonly format?: 'opaque' | 'jwt' | undefined;
  readonly revocable?: boolean | undefined;
}
