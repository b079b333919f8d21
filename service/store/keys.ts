import type { Grant } from '../domain/grant.ts';
import type { Selection } from '../domain/store.ts';
import { slotOf } from './slot.ts';

export type Keys = ReturnType<typeof createKeys>;

/** The keys of the grants. The braces delimit each name and keep related keys in one cluster slot. */
export function createKeys(prefix: string) {
  const ofClient = (client: string) => `${prefix}client:{${client}}`;
  const ofSubject = (client: string, subject: string) => `${prefix}subject:{${client}:${subject}}`;
  // By a checksum: an index for each path would need as much memory as a grant.
  const ofPath = (client: string, path: string) => `${prefix}path:{${client}:${slotOf(path)}}`;

  return {
    grant: (id: string) => `${prefix}grant:{${id}}`,

    /** The requesters of a grant. */
    uses: (id: string) => `${prefix}uses:{${id}}`,

    /** All indexes of a grant: sorted sets of token IDs by their end. */
    indexes({ client, covers, subject }: Pick<Grant, 'client' | 'covers' | 'subject'>): string[] {
      const indexes = [ofClient(client), ofPath(client, covers)];
      return subject === undefined ? indexes : [...indexes, ofSubject(client, subject)];
    },

    /** The index that has all grants of a selection. */
    index(client: string, { subject, covers }: Selection): string {
      if (subject !== undefined) return ofSubject(client, subject);
      return covers === undefined ? ofClient(client) : ofPath(client, covers);
    },

    /** Where a revocation moves an index. */
    ending: (index: string) => `${index}:revoked`,
  };
}
