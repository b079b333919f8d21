/** The fenced blocks of a Markdown text, in order. */
export interface Block {
  readonly language: string;
  readonly text: string;
}

export function fencedBlocks(markdown: string): Block[] {
  const fenced = /^```(\w*)\n([\s\S]*?)\n```$/gm;
  return [...markdown.matchAll(fenced)].map(([, language = '', text = '']) => ({ language, text }));
}
