import type { Faults } from './fault.ts';
import type { Given } from './given.ts';
import { quote } from './shown.ts';
import { splitSite } from './site.ts';
import { entryOf, textEntries } from './text-entries.ts';

/** The entries of `/download/=/protected/,files.example:/media/=/media-files/`. */
export function mountsFromText(given: Given, faults: Faults): Given[] {
  const { field } = given;
  return textEntries(String(given.value)).flatMap((text) => {
    const [left = '', internal, ...more] = text.split('=');
    if (internal === undefined || more.length > 0) {
      const expected =
        '<public prefix>=<internal prefix> with one =, such as /download/=/protected/; ' +
        'a prefix with = or a comma in it is written in the file';
      faults.add({ field, shown: quote(text) }, expected);
      return [];
    }
    const { site, prefix } = splitSite(left);
    return [entryOf(field, { public: prefix, internal, site }, quote)];
  });
}
