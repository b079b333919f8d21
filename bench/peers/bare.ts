import { join } from 'node:path';
import { projectRoot } from '../../test/harness/paths.ts';
import { onFreePorts } from '../../test/harness/ports.ts';
import { launch } from '../../test/harness/process.ts';
import { NAME, type Variant } from '../backend.ts';
import { onGate, PROTECTED } from './postern/site.ts';

/** A Node.js server that only responds with 204. The difference to Postern is Postern's own cost. */
export const BARE: Variant = {
  id: 'bare',
  title: 'auth_request, bare Node server',
  start: async ({ files }) => {
    const server = join(projectRoot, 'dist', 'bench', 'peers', 'bare-server.js');
    const { port, running } = await onFreePorts(1, async ([free = 0]) => {
      const args = [server, String(free), `${PROTECTED}${NAME}`];
      const started = await launch({ name: 'bare', path: process.execPath, args, env: {} });
      await started.ready(() => started.stdout() !== '', { what: 'the bare server to listen' });
      return { port: free, running: started };
    });
    const path = `/download/${NAME}?token=ps_${'x'.repeat(32)}`;
    return {
      site: onGate(files, [`127.0.0.1:${port}`]),
      path,
      processes: { service: running.pid },
      stop: async () => void (await running.stop()),
    };
  },
};
