import { z } from 'zod';
import { TABLE } from '../../service/config/settings.ts';
import { DIGITS } from '../../service/config/values.ts';
import { textOf } from '../../test/harness/paths.ts';

export const CHART_SCHEMA = 'deploy/helm/postern/values.schema.json';

/** What the chart sets itself, or restricts. */
const OF_CHART: Readonly<Record<string, unknown>> = {
  ...{ listen: false, metrics_listen: false, socket_mode: false, mounts: false },
  api_listen: { const: 'off' },
  delivery_listen: {
    description: 'Only for nginx in the same pod',
    ...{ type: 'string', pattern: '^127\\.0\\.0\\.1:[0-9]+$' },
  },
  delivery_from: false,
};

/** What only Postern's own documentation and reports use. */
const NOT_OF_JSON_SCHEMA = ['shown', 'restart', 'absent', 'default', 'description'];

/** The types of the settings. Go knows not every pattern, and a setting may ignore case, so Postern checks patterns. */
function settingSchema(setting: z.ZodType): unknown {
  const { $schema, ...schema } = z.toJSONSchema(setting, {
    io: 'input',
    unrepresentable: 'any',
    override({ jsonSchema }) {
      for (const name of NOT_OF_JSON_SCHEMA) delete jsonSchema[name];
      if (jsonSchema.pattern !== DIGITS.source) delete jsonSchema.pattern;
    },
  });
  return schema;
}

/** The schema of the chart's values, with each setting by its name and type, on a line. */
export function chartSchema(): string {
  const schema = JSON.parse(textOf(CHART_SCHEMA));
  const settings = Object.entries(TABLE).map(
    ([name, setting]) =>
      `          "${name}": ${JSON.stringify(OF_CHART[name] ?? settingSchema(setting))}`,
  );
  schema.properties.config.properties = 'HERE';
  const lines = `{\n${settings.join(',\n')}\n        }`;
  return `${JSON.stringify(schema, null, 2).replace('"HERE"', () => lines)}\n`;
}
