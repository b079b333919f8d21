import { figures, medianOf, ratioOf, shown } from '../report/rounds.ts';
import { thousands } from '../report/table.ts';
import { extrapolated } from '../report/targets.ts';
import type { Results } from '../results.ts';
import { VARIANTS } from '../variants.ts';
import { USERS } from '../workloads/download.ts';
import type { Rounds } from '../workloads/rounds.ts';
import { type Bar, type Bars, barsHeight, barsOption } from './bars.ts';
import { draw } from './draw.ts';
import { type Line, lineOption } from './line.ts';

/** The charts of docs/understand/performance.md as SVG, by file name. A workload that was not run has none. */
export function pictures(results: Results): Record<string, string> {
  const drawn = {
    'small-file.svg': bars(smallFile(results)),
    'fresh-tokens.svg': bars(freshTokens(results)),
    'downloads-cpu.svg': bars(downloads(results)),
    'growth.svg': growth(results),
  };
  return Object.fromEntries(Object.entries(drawn).filter(([, svg]) => svg !== ''));
}

function bars(what: Bars): string {
  return what.bars.length === 0 ? '' : draw(what.title, barsOption(what), barsHeight(what));
}

function smallFile({ serve }: Results): Bars {
  const rate = (id: string) => figures(serve, id, (each) => each.at32.perSecond);
  return {
    title: 'Requests per second: 1 KiB file, one token, 32 connections',
    subtitle: 'in brackets: ratio to nginx without a gate',
    bars: barsOf(serve, (id) => {
      const value = medianOf(rate(id)) ?? 0;
      return { value, note: `${thousands(value)}  (${shown(ratioOf(rate(id), rate('static')))})` };
    }),
  };
}

function freshTokens({ issue }: Results): Bars {
  const rate = (id: string) => figures(issue, id, (each) => each.fresh.perSecond);
  return {
    title: 'Tokens per second: each issued over HTTP and used once',
    subtitle: 'in brackets: ratio to Django',
    bars: barsOf(issue, (id) => {
      const value = medianOf(rate(id)) ?? 0;
      return {
        value,
        note: `${thousands(value)}  (× ${shown(ratioOf(rate(id), rate('django')), 1)})`,
      };
    }),
  };
}

function downloads({ download, downloadWhole }: Results): Bars {
  const whole = Object.keys(downloadWhole).length > 0 ? downloadWhole : download;
  const to = Object.values(whole).flat()[0]?.bytes ?? 0;
  const rounds = { ...download, ...whole };
  const all = barsOf(rounds, (id) => {
    const seconds = medianOf(figures(rounds, id, (each) => extrapolated(each, to))) ?? 0;
    const measured = rounds[id]?.[0]?.bytes === to ? '' : ', extrapolated';
    return { value: seconds, note: `${shown(seconds)} s${measured}` };
  });
  return {
    title: `CPU seconds of the application: ${USERS} users download ${to / 1e9} GB each`,
    subtitle: 'With Postern, nginx sends the file. The others send it themselves.',
    bars: all.filter(({ label }) => label !== VARIANTS.find(({ id }) => id === 'static')?.title),
  };
}

function growth({ growth: rounds }: Results): string {
  const points = Object.keys(rounds).map((id) => {
    return { x: Number(id), y: medianOf(figures(rounds, id, (each) => each.perSecond)) ?? 0 };
  });
  if (points.length === 0) return '';
  const line: Line = {
    title: 'Requests per second by number of live tokens in Redis',
    subtitle: '1 KiB file, 1,000 of the tokens in turn, 32 connections',
    points,
    xName: 'live tokens',
    yName: 'requests/s',
  };
  return draw(line.title, lineOption(line), 320);
}

function barsOf(
  rounds: Rounds<unknown>,
  figure: (id: string) => Pick<Bar, 'value' | 'note'>,
): Bar[] {
  return VARIANTS.filter(({ id }) => id in rounds).map(({ id, title }) => {
    return { label: title, ours: title.startsWith('Postern'), ...figure(id) };
  });
}
