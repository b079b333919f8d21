import { markdown, type Table } from './table.ts';

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
