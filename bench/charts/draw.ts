import { type EChartsOption, init } from 'echarts';

export const WIDTH = 860;

/** Renders an ECharts option as SVG, without a browser. `title` is for screen readers. */
export function draw(title: string, option: EChartsOption, height: number): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  // The text is dark, so the background is white on dark pages too.
  chart.setOption({ animation: false, backgroundColor: '#fff', ...option });
  const svg = chart.renderToSVGString();
  chart.dispose();
  // The styles are for hover effects, which an image does not have.
  const still = svg.replace(/<style.*?<\/style>\n?/s, '');
  return still.replace('>', `><title>${title.replace('&', '&amp;').replace('<', '&lt;')}</title>`);
}
