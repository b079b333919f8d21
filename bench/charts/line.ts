import type { EChartsOption } from 'echarts';
import { INK, OURS, TITLE } from './draw.ts';

export interface Line {
  readonly title: string;
  readonly subtitle: string;
  /** On a logarithmic axis. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
  readonly xName: string;
  readonly yName: string;
}

/** The y axis starts at zero: otherwise a small loss would look large. */
export function lineOption({ title, subtitle, points, xName, yName }: Line): EChartsOption {
  const name = { nameLocation: 'middle', nameTextStyle: { color: INK, fontSize: 12 } } as const;
  const label = {
    color: INK,
    fontSize: 12,
    formatter: (value: number) => value.toLocaleString('en'),
  };
  return {
    title: { text: title, subtext: subtitle, ...TITLE },
    grid: { left: 90, right: 50, top: 72, bottom: 52 },
    xAxis: {
      type: 'log',
      min: points[0]?.x ?? 1,
      name: xName,
      ...name,
      nameGap: 30,
      axisLabel: label,
    },
    yAxis: { type: 'value', name: yName, ...name, nameGap: 62, min: 0, axisLabel: label },
    series: [
      {
        type: 'line',
        // The first point is on the axis, so its label is to the right of it.
        data: points.map(({ x, y }, i) => ({
          value: [x, y],
          label: i === 0 ? { align: 'left' as const, offset: [8, 0] } : {},
        })),
        symbolSize: 9,
        lineStyle: { color: OURS, width: 3 },
        itemStyle: { color: OURS },
        label: {
          show: true,
          position: 'bottom',
          color: INK,
          fontSize: 13,
          formatter: ({ dataIndex }) => Math.round(points[dataIndex]?.y ?? 0).toLocaleString('en'),
        },
      },
    ],
  };
}
