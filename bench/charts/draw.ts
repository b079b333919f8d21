import { type EChartsOption, init } from 'echarts';

export const WIDTH = 860;

/** An option of ECharts as SVG text, without a browser. `title` is for those who do not see it. */
export function draw(title: string, option: EChartsOption, height: number): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  // White, since a page may be dark and the text is not.
  chart.setOption({ animation: false, backgroundColor: '#fff', ...option });
  const svg = chart.renderToSVGString();
  chart.dispose();
  // What it styles is a pointer that hovers, which does nothing in a picture.
  const still = svg.replace(/<style.*?<\/style>\n?/s, '');
  return still.replace('>', `><title>${title.replace('&', '&amp;').replace('<', '&lt;')}</title>`);
}
