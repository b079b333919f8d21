// The published package has this file as dev/client-types.ts writes it, from the same declarations, because
// it does not contain the service.

import type {
  IntrospectionAnswer,
  IssuedAnswer,
  PageAnswer,
  State,
} from '../service/api/schema.ts';
import type { ClaimName, GrantRequest } from '../service/domain/grant-fields.ts';

/** What a token shall open, and for whom. Exactly one of `path` and `prefix` is required. */
export type TokenRequest = GrantRequest;

/** The fields of a token that your own back end signs. */
export type SignRequest = Pick<GrantRequest, ClaimName | 'subject'> & {
  readonly expires_in: number;
};

export type IssuedToken = IssuedAnswer;
export type TokenState = State;
export type TokenPage = PageAnswer;
export type Introspection = IntrospectionAnswer;
