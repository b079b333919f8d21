/** Whether a directive of the lua module contains Lua in its braces: `content_by_lua_block { … }`. */
export function holdsLua(name: string): boolean {
  return name.endsWith('_by_lua_block');
}

/** A comment, string or long bracket of Lua, whose braces do not count, or a brace that counts. */
const PARTS =
  /--\[(=*)\[[\s\S]*?(?:\]\1\]|$)|--[^\n]*|\[(=*)\[[\s\S]*?(?:\]\2\]|$)|"(?:\\[\s\S]|[^"\\\n])*"|'(?:\\[\s\S]|[^'\\\n])*'|[{}]/g;

/** Behind the brace that closes a block of Lua, which begins at `start`; undefined where none does. */
export function endOfLua(text: string, start: number): number | undefined {
  let depth = 1;
  PARTS.lastIndex = start;
  for (let part = PARTS.exec(text); part !== null; part = PARTS.exec(text)) {
    if (part[0] === '{') depth += 1;
    if (part[0] === '}') depth -= 1;
    if (depth === 0) return PARTS.lastIndex;
  }
  return undefined;
}
