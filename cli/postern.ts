#!/usr/bin/env node

// `postern serve` is started again and again, so it does without what reads the other commands.
const [, , ...words] = process.argv;
if (words.length === 1 && words[0] === 'serve') {
  await import('../service/main.ts');
} else {
  const { run } = await import('./program.ts');
  await run(words, process.env);
}
