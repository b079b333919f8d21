import { type EChartsOption, init } from 'echarts';

/** Colors that are distinct for color-blind readers and in print. */
export const OURS = '#1f6fb2';
export const OTHERS = '#a9b0b7';
export const INK = '#24292f';

export const TITLE = {
  left: 12,
  top: 8,
  textStyle: { color: INK, fontSize: 15 },
  subtextStyle: { color: '#57606a', fontSize: 12 },
};

const WIDTH = 860;

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
