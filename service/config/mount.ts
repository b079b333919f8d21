import { type Mount, mountId } from '../domain/mount.ts';
import { readArguments } from './arguments.ts';
import { readEntry } from './entry.ts';
import type { Faults } from './fault.ts';
import { absent, type Given } from './given.ts';
import { MOUNT_FIELDS } from './names.ts';
import { readInternalPrefix, readPublicPrefix } from './prefix.ts';
import { readSite } from './site.ts';

/** A mount, and where its prefixes were given. */
export interface ReadMount {
  readonly mount: Mount;
  readonly prefix: Given;
  readonly internal: Given;
}

/** One mount. Undefined, with faults, if it is not clear what it maps to what. */
export function readMount(entry: Given, faults: Faults): ReadMount | undefined {
  const fields = readEntry(entry, MOUNT_FIELDS, faults);
  if (fields === undefined) return undefined;
  const givenPrefix = fields.get('public');
  const givenInternal = fields.get('internal');
  const givenSite = fields.get('site');
  const prefix = givenPrefix
    ? readPublicPrefix(givenPrefix, faults)
    : faults.add(absent(entry, 'public'), 'the prefix that the public asks for: /download/');
  const internal = givenInternal
    ? readInternalPrefix(givenInternal, faults)
    : faults.add(absent(entry, 'internal'), "the prefix of nginx's internal location: /protected/");
  const site = givenSite && readSite(givenSite, faults);
  const queryArguments = readArguments(fields, faults);

  if (!givenPrefix || !givenInternal || prefix === undefined || internal === undefined) {
    return undefined;
  }
  if (givenSite !== undefined && site === undefined) return undefined;
  const mount: Mount = {
    id: mountId(site, prefix),
    ...(site !== undefined && { site }),
    prefix,
    internal,
    ...queryArguments,
  };
  return { mount, prefix: givenPrefix, internal: givenInternal };
}
