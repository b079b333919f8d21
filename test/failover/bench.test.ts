import { rm } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { VARIANTS } from '../../bench/peers/all.ts';
import { fileOf } from '../../bench/run.ts';
import { running } from '../../bench/workloads/running.ts';
import { temporaryFolder } from '../harness/paths.ts';
import { needTool } from '../support/need-tool.ts';

// running() checks that the file is served with a token, and denied without one.
test.for(['sentinel', 'cluster', 'two'])(
  'bench: %s serves the file only with its token',
  async (id, context) => {
    await needTool('redis-server', context);
    const variant = VARIANTS.find((each) => each.id === id);
    if (variant === undefined) throw new Error(`there is no ${id}`);
    const folder = await temporaryFolder();
    onTestFinished(() => rm(folder, { recursive: true }));
    const files = await fileOf(folder, 1024);
    await running(variant, { files, tokens: 20 }, async ({ backend, nginx }) => {
      for (const path of backend.paths?.slice(0, 20) ?? [backend.path]) {
        expect((await fetch(nginx.url(path))).status).toBe(200);
      }
    });
  },
);
