import type { Variant } from '../backend.ts';
import { type Measured, measured } from '../load/measured.ts';
import { wrk } from '../load/wrk.ts';
import type { Options } from '../options.ts';
import type { Step } from './rounds.ts';
import { running } from './running.ts';
import { inTurn } from './serve.ts';

const SIZES = [1_000, 100_000, 1_000_000];

/** With --quick: issuing a million tokens takes longer than the rest of the run. */
const QUICK_SIZES = SIZES.slice(0, 2);

/** The same number of tokens is used at each size, so that only the number of live tokens differs. */
const ASKED = 1_000;

/** `variant` with an increasing number of live tokens. */
export function growing(variant: Variant, files: string, options: Options) {
  const { seconds, warmUp } = options;
  const sizes = options.quick ? QUICK_SIZES : SIZES;
  return sizes.map((tokens): Step<Measured> => {
    return {
      id: String(tokens),
      title: `growth: ${tokens.toLocaleString('en')} live tokens`,
      seconds: 2 + warmUp + seconds + tokens / 40_000,
      run: () =>
        running(variant, { files, tokens }, async (started) => {
          const { paths } = started.backend;
          const every = Math.floor(paths.length / ASKED);
          const asked = paths.filter((_, i) => i % every === 0).slice(0, ASKED);
          const backend = { ...started.backend, paths: asked };
          const url = started.nginx.url(backend.path);
          const more = await inTurn({ ...started, backend });
          await wrk(url, { connections: 32, seconds: warmUp, ...more });
          return measured(started.groups, () => wrk(url, { connections: 32, seconds, ...more }));
        }),
    };
  });
}
