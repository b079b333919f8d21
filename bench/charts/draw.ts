import { type EChartsOption, init } from 'echarts';

export const WIDTH = 860;

/** An option of ECharts as SVG text, without a browser. */
export function draw(option: EChartsOption, height: number): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  // White, since a page may be dark and the text is not.
  chart.setOption({ animation: false, backgroundColor: '#fff', ...option });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
