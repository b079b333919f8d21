/** Each series of a text in Prometheus' format, `name{labels}`, and its value. */
export function samplesOf(text: string): ReadonlyMap<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const [, series = '', value = ''] = /^([a-z_]\w*(?:\{[^{}\n]*\})?) (\S+)$/.exec(line) ?? [];
      // The library writes Nan for a mean of nothing.
      if (series === '' || (value !== 'Nan' && Number.isNaN(Number(value))))
        throw new Error(`no sample: ${line}`);
      return [series, Number(value)];
    }),
  );
}

/** The names that a text declares, each with its type. */
export function metricsOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]),
  );
}
