/** A terminal's text as SVG: real text, readable on a light and on a dark page. */

const COLUMNS = 100;
const CHARACTER = 7.25;
const ROW = 17;
const PADDING = 16;

/** Lines that appear together. `after` is in seconds; without it the picture does not move. */
export interface Frame {
  readonly lines: readonly string[];
  readonly after?: number;
}

// A reader that shows no animation, or whose user wants none, shows the last frame: all lines.
const STYLE = `
:root{color-scheme:light dark}
rect{fill:#f6f8fa;stroke:#d0d7de}
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#1f2328;white-space:pre}
.b{font-weight:700}.c{fill:#0550ae}.g{fill:#116329}.r{fill:#a40e26}.d{fill:#57606a}
@media (prefers-color-scheme:dark){rect{fill:#151b23;stroke:#3d444d}text{fill:#e6edf3}.c{fill:#79c0ff}.g{fill:#56d364}.r{fill:#ff7b72}.d{fill:#9198a1}}
@media (prefers-reduced-motion:no-preference){.f{animation:f 1ms both}}
@keyframes f{from{opacity:0}}`;

export function terminal(title: string, frames: readonly Frame[]): string {
  let row = 0;
  const groups = frames.map(({ lines, after }) => {
    const rows = lines.flatMap((line) =>
      wrap(line).map((part) => ({ part, style: styleOf(line) })),
    );
    const texts = rows.map(({ part, style }) => {
      row += 1;
      if (part === '') return '';
      const y = PADDING + row * ROW - 5;
      const styled = style === '' ? '' : ` class="${style}"`;
      return `<text x="${PADDING}" y="${y}"${styled} xml:space="preserve">${xml(part)}</text>\n`;
    });
    const delay = after === undefined ? '' : ` class="f" style="animation-delay:${after}s"`;
    return `<g${delay}>\n${texts.join('')}</g>\n`;
  });
  const width = Math.ceil(2 * PADDING + COLUMNS * CHARACTER);
  const height = 2 * PADDING + row * ROW;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">\n` +
    `<title>${xml(title)}</title>\n<style>${STYLE}\n</style>\n` +
    `<rect x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="6"/>\n` +
    `${groups.join('')}</svg>\n`
  );
}

/** As a terminal of 100 columns would, but at spaces where possible, and with a hanging indent. */
export function wrap(line: string, indent = `${/^ */.exec(line)?.[0] ?? ''}      `): string[] {
  if (line.length <= COLUMNS) return [line];
  const space = line.lastIndexOf(' ', COLUMNS);
  const end = space > indent.length ? space : COLUMNS;
  return [line.slice(0, end), ...wrap(indent + line.slice(end).trimStart(), indent)];
}

/** What the first characters of a line say about it. */
function styleOf(line: string): string {
  const text = line.trimStart();
  if (text.startsWith('$')) return 'c';
  if (text.startsWith('✓')) return 'g';
  if (text.startsWith('✗')) return 'r';
  if (/^ +[a-z]+: /.test(line)) return 'd';
  return /^[A-Z]/.test(line) ? 'b' : '';
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
