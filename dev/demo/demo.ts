import { spawn } from 'node:child_process';
import { ensureTools } from '../../test/harness/tools.ts';
import { createPaper, hasColour } from './paper.ts';
import { play } from './play.ts';
import { createPlayer } from './player.ts';
import { type Site, startSite } from './site.ts';

const USAGE = `npm run demo              shows each step, then serves a page until Ctrl-C
npm run demo -- --once    shows each step and exits: status 0 if every step succeeded, else 1
npm run demo -- --open    also opens the page of the demo in a browser

The store is in memory. POSTERN_STORE selects another one.
`;

const paper = createPaper(
  (text) => process.stdout.write(text),
  hasColour(process.stdout, process.env),
);

async function main(args: readonly string[]): Promise<number> {
  const once = args.includes('--once');
  if (args.some((arg) => arg !== '--once' && arg !== '--open')) {
    process.stdout.write(USAGE);
    return args.includes('--help') ? 0 : 1;
  }
  // Handle Ctrl-C from here on, so that nothing is left behind.
  const interrupted = new Promise<undefined>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, () => resolve(undefined));
    }
  });
  await ensureTools(['nginx']);
  const site = await startSite(process.env);
  try {
    const acted = perform(site);
    acted.catch(() => {}); // an interruption leaves this promise without a handler
    const failures = await Promise.race([acted, interrupted]);
    if (failures === undefined) return once ? 1 : 0;
    if (once) return failures === 0 ? 0 : 1;
    await site.startApp();
    const page = `${site.origin}/`;
    paper.line(
      '\nThe demo keeps running. Paste any of these commands, or open this page in a browser:',
    );
    paper.line(`\n    ${page}\n\nPress Ctrl-C to stop.`);
    if (args.includes('--open')) openInBrowser(page);
    await interrupted;
    return 0;
  } finally {
    await site.stop();
  }
}

/** Returns the number of steps that failed. */
async function perform(site: Site): Promise<number> {
  paper.heading('Postern: short-lived download tokens, nginx sends the bytes');
  paper.facts([
    ['nginx', site.origin, '/download/ with auth_request, /media/ with X-Accel'],
    ['API', site.api, `Authorization: Bearer ${site.key}`],
    ['gate', site.gate, 'only for nginx'],
    ['store', site.store],
    ['files', site.folder],
  ]);
  const player = createPlayer(site, paper);
  await play(site, player, paper);
  const failures = player.failures();
  const ok = failures === 0;
  paper.line();
  paper.result(ok, ok ? 'Every step succeeded.' : `${failures} steps failed.`);
  return failures;
}

/** The browser opens only on a terminal: nobody sees one that a script opens. */
function openInBrowser(url: string): void {
  if (!process.stdout.isTTY) return;
  const program = process.platform === 'darwin' ? 'open' : 'xdg-open';
  const child = spawn(program, [url], { stdio: 'ignore', detached: true });
  child.on('error', () => paper.line(`There is no ${program} to open the page with.`));
  child.unref();
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: Error) => {
    process.stderr.write(`\n${error.message}\n`);
    process.exit(1);
  },
);
