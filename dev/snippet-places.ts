/** Where to include a snippet, from its line `# Where: in the … block` or `… location`. */
export type Place = 'http' | 'server' | 'location';

export interface Snippet {
  /** File name without folder: `protect.conf`. */
  readonly name: string;
  readonly place: Place;
}

/** The place in the text of a snippet. */
export function placeOf(name: string, text: string): Place {
  const where = /^# Where: in (?:the|each) (?:[a-z]+ )?(http block|server block|location)/m.exec(
    text,
  );
  const place = where?.[1]?.split(' ', 1)[0];
  if (place === undefined) {
    throw new Error(`${name} must say "# Where: in the http block | server block | … location"`);
  }
  return place as Place;
}

/** A configuration that includes each snippet in its place, and each location snippet in a separate location. */
export function around(snippets: readonly Snippet[]): string {
  const includes = (place: Place) =>
    snippets
      .filter((snippet) => snippet.place === place)
      .map(({ name }) => `include postern/${name};`);
  const locations = includes('location').map((line, i) => `location ^~ /${i}/ { ${line} }`);
  return `
    ${includes('http').join('\n')}
    upstream postern { server 127.0.0.1:7300; keepalive 256; }
    server {
      listen unix:nginx.sock;
      ${includes('server').join('\n')}
      ${locations.join('\n')}
    }`;
}
