import { textOf } from '../../harness/paths.ts';

/** The fenced blocks of a Markdown text, in order. */
export interface Block {
  readonly language: string;
  readonly text: string;
}

export function fencedBlocks(markdown: string): Block[] {
  const fenced = /^```(\w*)\n([\s\S]*?)\n```$/gm;
  return [...markdown.matchAll(fenced)].map(([, language = '', text = '']) => ({ language, text }));
}

/** The one block of a page of docs/ that contains these words. */
export function docsBlock(page: string, words: string): string {
  const text = textOf(`docs/${page}`);
  const found = fencedBlocks(text).filter((block) => block.text.includes(words));
  const [one] = found;
  if (one === undefined || found.length > 1) {
    throw new Error(`docs/${page} has ${found.length} blocks with ${words}`);
  }
  return one.text;
}

/** The settings of a block with a line for each. */
export function settingsOf(text: string): Record<string, string> {
  return Object.fromEntries(text.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2)));
}

/** Variables that npm, Vitest or the user of this machine may have set. */
const NOT_OURS = /^(npm_(?!config_)|npm_config_local_prefix$|NODE_(ENV|OPTIONS)$|VITEST|POSTERN_)/;

/** The environment in which a person's shell would run npm; what is in its cache is not fetched. */
export function plain(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !NOT_OURS.test(name));
  return { ...Object.fromEntries(kept), npm_config_prefer_offline: 'true' };
}
