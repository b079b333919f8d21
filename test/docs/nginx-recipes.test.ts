import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { testNginx } from '../../dev/nginx.ts';
import { projectRoot } from '../../dev/paths.ts';
import { fencedBlocks } from './blocks.ts';

const page = readFileSync(join(projectRoot, 'docs', 'nginx.md'), 'utf8');
const recipes = fencedBlocks(page).filter(({ language }) => language === 'nginx');

test('there are recipes', () => expect(recipes.length).toBeGreaterThanOrEqual(8));

describe('nginx -t passes with the recipe', () => {
  test.concurrent.each(recipes.map(({ text }) => text))('%s', async (text) => {
    const { ok, output } = await testNginx(({ port }) => {
      const own = text.replace(/listen \d+;/g, `listen 127.0.0.1:${port};`);
      const upstream = text.includes('upstream postern {')
        ? 'server { listen 127.0.0.1:$port; location / { proxy_pass http://postern; } }'
        : 'upstream postern { server 127.0.0.1:7300; keepalive 256; }';
      return `include postern/http.conf;\n${own}\n${upstream.replace('$port', String(port))}`;
    });
    expect(output).not.toMatch(/\[(warn|emerg|crit|error)\]/);
    expect(ok).toBe(true);
  });
});
