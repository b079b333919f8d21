import { writeFileSync } from 'node:fs';
import { z } from 'zod';
import { TABLE } from '../../service/config/settings.ts';
import { DIGITS } from '../../service/config/values.ts';
import { projectRoot, textOf } from '../../test/harness/paths.ts';

const PATH = 'deploy/helm/postern/values.schema.json';

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

/** The schema of the chart's values, with each setting by its name and type. */
export function chartSchema(): { properties: { config: object } } {
  const schema = JSON.parse(textOf(PATH));
  const settings = Object.entries(TABLE).map(([name, setting]) => [
    name,
    OF_CHART[name] ?? settingSchema(setting),
  ]);
  schema.properties.config.additionalProperties = false;
  schema.properties.config.properties = Object.fromEntries(settings);
  return schema;
}

if (import.meta.filename === process.argv[1]) {
  writeFileSync(`${projectRoot}/${PATH}`, `${JSON.stringify(chartSchema(), null, 2)}\n`);
  process.stdout.write(`wrote ${PATH}; format it: npm run format\n`);
}
