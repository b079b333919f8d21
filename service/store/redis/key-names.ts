import type { Grant } from '../../token/grant.ts';
import type { Selection } from '../../token/store.ts';
import { slotOf } from '../connection/ioredis.ts';

/** The keys of the grants. The braces delimit each name and keep related keys in one cluster slot. */
export function createKeys(prefix: string) {
  const ofClient = (client: string) => `${prefix}client:{${client}}`;
  const ofSubject = (client: string, subject: string) => `${prefix}subject:{${client}:${subject}}`;
  // Paths with the same checksum share an index: an index for each path would need as much memory as a grant.
  const ofPath = (client: string, path: string) => `${prefix}path:{${client}:${slotOf(path)}}`;

  return {
    grant: (id: string) => `${prefix}grant:{${id}}`,

    /** The time before which the external tokens of a subject are revoked. */
    signed: (subjectId: string) => `${prefix}signed:{${subjectId}}`,

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
