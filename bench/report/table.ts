/** The head, and one line for each system. The first column is its name. */
export type Table = readonly (readonly string[])[];

/** For a terminal: first column left-aligned, others right-aligned. */
export function aligned(table: Table): string {
  const widths = table[0]?.map((_, i) => Math.max(...table.map((line) => line[i]?.length ?? 0)));
  const cell = (text: string, i: number) => {
    const width = widths?.[i] ?? 0;
    return i === 0 ? text.padEnd(width) : text.padStart(width);
  };
  return table.map((line) => line.map(cell).join('  ').trimEnd()).join('\n');
}

/** For a Markdown page. */
export function markdown([head = [], ...lines]: Table): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = `|${head.map((_, i) => (i === 0 ? '---|' : '--:|')).join('')}`;
  return [row(head), rule, ...lines.map(row)].join('\n');
}

export function thousands(value: number): string {
  return Math.round(value).toLocaleString('en');
}

export const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)}`;

/** Writes each table between `<!-- bench:NAME -->` and `<!-- /bench -->`. Other tables stay as they are. */
export function fillIn(page: string, tables: Readonly<Record<string, Table>>): string {
  return page.replace(
    /(<!-- bench:(\w+) -->\n).*?(<!-- \/bench -->)/gs,
    (all, open, name, close) => {
      const table = tables[name];
      return table === undefined ? all : `${open}${markdown(table)}\n${close}`;
    },
  );
}
