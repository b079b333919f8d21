import type { Grant } from '../domain/grant.ts';
import type { Selection } from '../domain/store.ts';
import { slotOf } from './slot.ts';

/**
 * The keys of the indexes: sorted sets of token IDs by their end.
 *
 * `<prefix>client:{<client>}` has all grants of a client, and `<prefix>subject:{<client>:<subject>}` those of
 * a subject. `<prefix>path:{<client>:<checksum>}` has those whose path or prefix has this checksum: an index
 * for each path would need as much memory as a grant.
 */
export function createIndexes(prefix: string) {
  const ofClient = (client: string) => `${prefix}client:{${client}}`;
  const ofSubject = (client: string, subject: string) => `${prefix}subject:{${client}:${subject}}`;
  const ofPath = (client: string, path: string) => `${prefix}path:{${client}:${slotOf(path)}}`;

  return {
    /** All indexes of a grant. */
    of({ client, covers, subject }: Pick<Grant, 'client' | 'covers' | 'subject'>): string[] {
      const indexes = [ofClient(client), ofPath(client, covers)];
      return subject === undefined ? indexes : [...indexes, ofSubject(client, subject)];
    },

    /** The index that has all grants of a selection. */
    ofSelection(client: string, { subject, covers }: Selection): string {
      if (subject !== undefined) return ofSubject(client, subject);
      return covers === undefined ? ofClient(client) : ofPath(client, covers);
    },
  };
}
