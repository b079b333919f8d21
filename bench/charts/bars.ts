import type { EChartsOption } from 'echarts';
import { INK, OTHERS, OURS, TITLE } from './draw.ts';

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** The text after the bar. */
  readonly note: string;
  readonly ours: boolean;
}

export interface Bars {
  readonly title: string;
  readonly subtitle: string;
  readonly bars: readonly Bar[];
}

const ROW = 30;

export const barsHeight = ({ bars }: Bars) => 80 + bars.length * ROW;

/** Horizontal bars, the first at the top, each followed by its value as text. */
export function barsOption({ title, subtitle, bars }: Bars): EChartsOption {
  const most = Math.max(...bars.map(({ value }) => value));
  return {
    title: { text: title, subtext: subtitle, ...TITLE },
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
    xAxis: { type: 'value', show: false, max: most },
    series: [
      {
        type: 'bar',
        barWidth: 18,
        data: bars.map(({ value, ours }) => ({
          value,
          itemStyle: { color: ours ? OURS : OTHERS },
        })),
        label: {
          show: true,
          position: 'right',
          color: INK,
          fontSize: 13,
          formatter: ({ dataIndex }) => bars[dataIndex]?.note ?? '',
        },
      },
    ],
  };
}
