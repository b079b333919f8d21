import { configDefaults, defineConfig } from 'vitest/config';
import { WORKERS } from './test/harness/ports.ts';

/** Tests that start no server. Those in a subfolder of jwt/ and store/ do. */
const UNIT = [
  'test/{api,client,config,decide,delivery,events,gate,issue,jwt,metrics,pages,paths,s3,store,token}/*.test.ts',
  ...['test/pieces.test.ts', 'test/process/coalesce.test.ts'],
];

/** The main job in real nginx and Redis, and the documents, for `npm test`. They need no build. */
const CORE = [
  'test/docs/{boundaries,docs,metrics}.test.ts',
  'test/nginx/{confirm,cookies,denial,download,fail-closed,internal,listing,log,log-tokens,mounts,smoke,spoof}.test.ts',
  'test/store/redis/contract.test.ts',
];

const RACES = 'test/races/**/*.test.ts';

/** Redis servers that fail, move and come back; Sentinel and Cluster. */
const FAILOVER = 'test/failover/*.test.ts';

/** Failures under load. They print what they measured. */
const FAILOVER_RUNS = 'bench/failover/runs/*.test.ts';

/** Chromium and Firefox. */
const BROWSERS = 'test/browsers/**/*.test.ts';

/** Webhooks of whole instances, which wait for retries and lost instances. */
const WEBHOOKS = 'test/events/instances/*.test.ts';

/** A real object store. */
const S3 = 'test/s3/servers/**/*.test.ts';

/** Clients, several instances and a flood of deliveries. */
const DELIVERY = 'test/delivery/servers/**/*.test.ts';

/** The packages for Python, Django, Laravel and Rails, with the frameworks from Debian. */
const INTEGRATIONS = 'test/integrations/**/*.test.ts';

/** Whole installations: the README's commands, the image, the package, the chart, and tools from npm. */
const INSTALL = ['test/readme.test.ts', 'test/docs/docker.test.ts', 'test/install/**/*.test.ts'];

const globalSetup = ['test/dev/global-setup.ts'];

export default defineConfig(({ mode }) => ({
  test: {
    // `npm test` makes a fifth of the runs of each property, and every other command all of them.
    provide: { propertyRuns: mode === 'quick' ? 0.2 : 1 },
    // Real servers are started, and the machine may be small or busy.
    testTimeout: 240_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000, interval: 10 } },
    // What a wait saw instead can be a log.
    chaiConfig: { truncateThreshold: 4_000 },
    maxWorkers: WORKERS,
    projects: [
      { extends: true, test: { name: 'unit', include: UNIT, isolate: false } },
      // Each module is imported once, not once for each file.
      { extends: true, test: { name: 'core', include: CORE, globalSetup, isolate: false } },
      {
        extends: true,
        test: {
          name: 'servers',
          exclude: [
            ...configDefaults.exclude,
            ...UNIT,
            ...CORE,
            RACES,
            FAILOVER,
            FAILOVER_RUNS,
            BROWSERS,
            S3,
            WEBHOOKS,
            DELIVERY,
            INTEGRATIONS,
            ...INSTALL,
          ],
          globalSetup,
          isolate: false,
        },
      },
      { extends: true, test: { name: 'races', include: [RACES], globalSetup } },
      { extends: true, test: { name: 'failover', include: [FAILOVER], globalSetup } },
      {
        extends: true,
        test: {
          name: 'failover-runs',
          include: [FAILOVER_RUNS],
          // A server that is late may stop a run on a busy machine. What was lost is never run again.
          retry: { count: 1, condition: /^(?!.*(?:acknowledged|wrongly opened|nobody))/s },
          globalSetup,
        },
      },
      {
        extends: true,
        test: {
          name: 'browsers',
          include: [BROWSERS],
          // A browser can stall on a busy machine, for example in a film at 16 times its speed. A failed
          // expectation, or a response that the browser rejects, is never run again.
          retry: { count: 1, condition: /^(?!.*(?:expected |instead of|net::ERR_|NS_))/s },
          globalSetup,
          isolate: false,
        },
      },
      { extends: true, test: { name: 'install', include: INSTALL, globalSetup } },
      { extends: true, test: { name: 'delivery', include: [DELIVERY], globalSetup } },
      { extends: true, test: { name: 'integrations', include: [INTEGRATIONS], globalSetup } },
      { extends: true, test: { name: 's3', include: [S3], globalSetup } },
      { extends: true, test: { name: 'webhooks', include: [WEBHOOKS], globalSetup } },
    ],
  },
}));
