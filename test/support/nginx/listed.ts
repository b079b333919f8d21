import { gateSnippet, type SiteMode, type SiteOptions } from '../site.ts';

export const BROWSER = { Accept: 'text/html,*/*;q=0.8' };

/** A site that lists its folders if a token says so. */
export function withListing(
  mode: SiteMode,
  more = 'include postern/listing.conf;',
): Partial<SiteOptions> {
  return {
    // The tests open one folder more often than a person.
    edit: { http: (text) => text.replace('rate=12r/m', 'rate=1000r/s') },
    only: `
      location ^~ /download/ { ${gateSnippet(mode)} }
      location ^~ /protected/ {
        include postern/internal.conf; ${more} alias $files/;
      }`,
  };
}

/** The links of a page, as a browser resolves them. */
export function links(html: string, base: string): string[] {
  const [, list = ''] = /<pre><a href="\.\.\/">\.\.\/<\/a>\r?\n([\s\S]*)<\/pre>/.exec(html) ?? [];
  return [...list.matchAll(/<a href="([^"]*)">/g)].map(
    (match) => new URL((match[1] ?? '').replaceAll('&amp;', '&'), `http://h${base}`).pathname,
  );
}
