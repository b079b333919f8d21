/** Whose braces hold another language, by the lua module: `content_by_lua_block { … }`. */
export function holdsLua(name: string): boolean {
  return name.endsWith('_by_lua_block');
}

/** Comments, strings and long brackets of Lua, in which a brace is no brace; else a brace. */
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
