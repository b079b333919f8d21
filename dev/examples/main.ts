import { django } from './django.ts';
import { laravel } from './laravel.ts';
import { rails } from './rails.ts';
import { type Example, startExample } from './site.ts';

const EXAMPLES: Readonly<Record<string, () => Example>> = {
  django: () => django(),
  'django-issued': () => django('settings_issued'),
  laravel: () => laravel(),
  'laravel-issued': () => laravel('issued'),
  rails: () => rails(),
  'rails-issued': () => rails('issued'),
};

async function main([name = '']: readonly string[]): Promise<number> {
  const example = EXAMPLES[name]?.();
  if (example === undefined) {
    const names = Object.keys(EXAMPLES).join('|');
    process.stdout.write(`npm --prefix dev run example -- ${names}    runs until Ctrl-C\n`);
    return 1;
  }
  const interrupted = new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, resolve);
  });
  const site = await startExample(example);
  process.stdout.write(`${site.origin}/\nLog in as ${example.login}. Press Ctrl-C to stop.\n`);
  await interrupted;
  await site.stop();
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  },
);
