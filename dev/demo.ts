import { createPaper, hasColour } from './demo/paper.ts';
import { play } from './demo/play.ts';
import { createPlayer } from './demo/player.ts';
import { type Site, startSite } from './demo/site.ts';
import { ensureTools } from './tools.ts';

const USAGE = `npm run demo              acts out the flow, then stays up until Ctrl-C
npm run demo -- --once    acts it out and ends: 0 if each step did as it should, else 1

The store is in memory, unless POSTERN_STORE names another.
`;

const paper = createPaper(
  (text) => process.stdout.write(text),
  hasColour(process.stdout, process.env),
);

async function main(args: readonly string[]): Promise<number> {
  const once = args.includes('--once');
  if (args.some((arg) => arg !== '--once')) {
    process.stdout.write(USAGE);
    return args.includes('--help') ? 0 : 1;
  }
  // From here on Ctrl-C is awaited, so that nothing is left behind at whatever moment it comes.
  const interrupted = interruption();
  await ensureTools(['nginx']);
  const site = await startSite(process.env);
  try {
    const acted = perform(site);
    acted.catch(() => {}); // after an interruption nobody asks
    const outcome = await Promise.race([acted, interrupted]);
    if (outcome === undefined) return once ? 1 : 0;
    if (once) return outcome.failures === 0 ? 0 : 1;
    paper.line('\nAll of it stays up: paste any line, or open this page in a browser:');
    paper.line(`\n    ${outcome.page}\n\nCtrl-C ends it.`);
    await interrupted;
    return 0;
  } finally {
    await site.stop();
  }
}

async function perform(site: Site): Promise<{ failures: number; page: string }> {
  paper.heading('Postern: short-lived download tokens, nginx sends the bytes');
  paper.facts([
    ['nginx', site.origin, '/download/ by auth_request, /media/ by X-Accel'],
    ['API', site.api, `Authorization: Bearer ${site.key}`],
    ['gate', site.gate, 'for nginx alone'],
    ['store', site.store],
    ['files', site.folder],
  ]);
  const player = createPlayer(site, paper);
  const page = await play(site, player, paper);
  const failures = player.failures();
  paper.line();
  paper.result(
    failures === 0,
    failures === 0 ? 'Every step did as it should.' : `${failures} did not.`,
  );
  return { failures, page };
}

function interruption(): Promise<undefined> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => resolve(undefined));
    }
  });
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: Error) => {
    process.stderr.write(`\n${error.message}\n`);
    process.exit(1);
  },
);
