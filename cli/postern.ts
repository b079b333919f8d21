#!/usr/bin/env node

// `postern serve` does not load the parser of the command line, so that it starts faster.
const [, , ...words] = process.argv;
if (words.length === 1 && words[0] === 'serve') {
  await import('../service/main.ts');
} else {
  const { run } = await import('./program.ts');
  await run(words, process.env);
}
