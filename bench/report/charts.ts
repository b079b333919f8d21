import { loadPackage } from '../../test/harness/packages.ts';
import { VARIANTS } from '../peers/all.ts';
import { figures, median, type Rounds, ratios } from '../rounds.ts';
import type { Results } from '../run.ts';
import { USERS } from '../workloads.ts';
import { shown } from './tables.ts';
import { extrapolated } from './targets.ts';

/** Colors that are distinct for color-blind readers and in print. */
const OURS = '#1f6fb2';
const OTHERS = '#a9b0b7';
const INK = '#24292f';

const WIDTH = 860;
const ROW = 30;

interface Bar {
  readonly label: string;
  readonly value: number;
  readonly note: string;
}

/** The part of ECharts that draws without a browser. */
interface ECharts {
  init(
    element: null,
    theme: null,
    options: object,
  ): { setOption(option: object): void; renderToSVGString(): string; dispose(): void };
}

/** The charts of docs/understand/performance.md as SVG, by file name. A workload that was not run has none. */
export async function pictures(results: Results): Promise<Record<string, string>> {
  const echarts = await loadPackage<ECharts>('bench', 'echarts');
  const { serve, issue, download, downloadWhole } = results;
  const at32 = (id: string) => figures(serve, id, (each) => each.at32.perSecond);
  const fresh = (id: string) => figures(issue, id, (each) => each.fresh.perSecond);
  const whole = Object.keys(downloadWhole).length > 0 ? downloadWhole : download;
  const to = Object.values(whole).flat()[0]?.bytes ?? 0;
  const { static: _, ...senders } = { ...download, ...whole };
  const drawn = {
    'small-file.svg': draw(
      echarts,
      'Requests per second: 1 KiB file, one token, 32 connections',
      'in brackets: ratio to nginx without a gate',
      barsOf(serve, (id) => rateAndRatio(at32(id), at32('static'))),
    ),
    'fresh-tokens.svg': draw(
      echarts,
      'Tokens per second: each issued over HTTP and used once',
      'in brackets: ratio to Django',
      barsOf(issue, (id) => rateAndRatio(fresh(id), fresh('django'))),
    ),
    'downloads-cpu.svg': draw(
      echarts,
      `CPU seconds of the application: ${USERS} users download ${to / 1e9} GB each`,
      'With Postern, nginx sends the file. The others send it themselves.',
      barsOf(senders, (id) => {
        const value = median(figures(senders, id, (each) => extrapolated(each, to))) ?? 0;
        const how = senders[id]?.[0]?.bytes === to ? '' : ', extrapolated';
        return { value, note: `${shown(value)} s${how}` };
      }),
    ),
  };
  return Object.fromEntries(Object.entries(drawn).filter(([, svg]) => svg !== ''));
}

function rateAndRatio(values: readonly number[], base: readonly number[]) {
  const value = median(values) ?? 0;
  return { value, note: `${shown(value, 0)}  (× ${shown(median(ratios(values, base)))})` };
}

function barsOf(rounds: Rounds<unknown>, bar: (id: string) => Omit<Bar, 'label'>): Bar[] {
  const measured = VARIANTS.filter(({ id }) => id in rounds);
  return measured.map(({ id, title }) => ({ label: title, ...bar(id) }));
}

/** Horizontal bars as SVG, the first at the top, each followed by its value as text. */
function draw({ init }: ECharts, title: string, subtitle: string, bars: readonly Bar[]): string {
  if (bars.length === 0) return '';
  const height = 80 + bars.length * ROW;
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption({
    animation: false,
    // The text is dark, so the background is white on dark pages too.
    backgroundColor: '#fff',
    title: {
      ...{ text: title, subtext: subtitle, left: 12, top: 8 },
      textStyle: { color: INK, fontSize: 15 },
      subtextStyle: { color: '#57606a', fontSize: 12 },
    },
    grid: { left: 225, right: 200, top: 62, bottom: 12 },
    yAxis: {
      type: 'category',
      inverse: true,
      data: bars.map(({ label }) => label),
      axisTick: { show: false },
      axisLine: { show: false },
      axisLabel: { color: INK, fontSize: 13 },
    },
    // Each bar is followed by its value, so no axis is needed.
    xAxis: { type: 'value', show: false, max: Math.max(...bars.map(({ value }) => value)) },
    series: [
      {
        type: 'bar',
        barWidth: 18,
        data: bars.map(({ label, value }) => ({
          value,
          itemStyle: { color: label.startsWith('Postern') ? OURS : OTHERS },
        })),
        label: {
          ...{ show: true, position: 'right', color: INK, fontSize: 13 },
          formatter: ({ dataIndex }: { readonly dataIndex: number }) => bars[dataIndex]?.note ?? '',
        },
      },
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  // The styles are for hover effects, which an image does not have.
  const still = svg.replace(/<style.*?<\/style>\n?/s, '');
  // The title is for screen readers.
  return still.replace('>', `><title>${title}</title>`);
}
