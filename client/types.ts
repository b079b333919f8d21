// The published package has this file as dev/build/client-types.ts writes it, from the same declarations, because
// it does not contain the service.

import type {
  IntrospectionAnswer,
  IssuedAnswer,
  PageAnswer,
  State,
} from '../service/api/schema.ts';
import type {
  ClaimName,
  FieldName,
  GRANT_FIELDS,
  GrantRequest,
} from '../service/token/grant-fields.ts';

type FolderField = {
  [N in FieldName]: (typeof GRANT_FIELDS)[N] extends { readonly for: 'prefix' } ? N : never;
}[FieldName];

export type FileRequest = Omit<GrantRequest, 'path' | 'prefix' | FolderField> & {
  readonly path: string;
  readonly prefix?: undefined;
};
export type FolderRequest = Omit<GrantRequest, 'path' | 'prefix'> & {
  readonly prefix: string;
  readonly path?: undefined;
};

/** What a token opens, and its limits. */
export type TokenRequest = FileRequest | FolderRequest;

/** The fields of a token that your own back end signs. */
export type SignRequest = Pick<GrantRequest, ClaimName | 'subject'> & {
  readonly expires_in: number;
};

export type IssuedToken = IssuedAnswer;
export type TokenState = State;
export type TokenPage = PageAnswer;
export type Introspection = IntrospectionAnswer;
