import contentDisposition from 'content-disposition';
import type { Grant } from '../domain/grant.ts';

/**
 * The `Content-Disposition` that a grant asks for (RFC 6266), in ASCII alone: a name of other
 * characters travels in `filename*` (RFC 8187), with a readable ASCII name for old clients.
 */
export function dispositionOf(grant: Grant): string | undefined {
  const { filename, disposition: type = 'attachment' } = grant;
  if (filename === undefined) return grant.disposition;
  return contentDisposition(filename, { type, fallback: asciiName(filename) });
}

/** NFD, since NFKD would make a slash, a backslash or dots of their full-width forms. */
function asciiName(filename: string): string {
  const bare = filename.normalize('NFD').replace(/\p{M}/gu, '');
  return bare.replace(/[^\x20-\x7e]/gu, '_') || '_';
}
