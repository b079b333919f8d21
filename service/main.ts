import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { getRequestListener } from '@hono/node-server';
import { createHealth } from './api/api.ts';
import { type App, createApp } from './app.ts';
import { type Config, loadConfig } from './config/config.ts';
import { takeInherited } from './config/inherited.ts';
import type { MountSettings } from './config/mounts.ts';
import { API_VARIABLES, CONFIG_VARIABLE } from './config/settings.ts';
import { createCollector } from './delivery/collect.ts';
import { createEvents } from './events/queue.ts';
import { openJwt } from './jwt/jwt.ts';
import type { FetchedKeys } from './jwt/keys.ts';
import { createMetrics, sharedText } from './metrics/metrics.ts';
import { createMounts, type Mount } from './paths/mount.ts';
import { endAtStart, endOnError, endOnSignal } from './process/end.ts';
import { listen, listenLimited, listenUdp } from './process/listen.ts';
import { createLog, createLogOutput } from './process/log.ts';
import { createCurrent, type Opened, watchHangup } from './process/reload.ts';
import { watchFiles } from './process/watch.ts';
import { createSign, MAX_SIGNATURE_REUSE } from './s3/sign.ts';
import { createStores, openEventStore } from './store/open.ts';
import { hashSecret } from './token/client.ts';

const STANDARD_OUTPUT = 1;

const readFile = (path: string) => readFileSync(path, 'utf8');
const { now } = Date;

const BLOCKING =
  'the supervisor has cleared O_NONBLOCK: other processes on these sockets can hang. Set NonBlocking=yes in the unit';

const OF_COMMANDS =
  'only postern token and postern doctor use these variables: the API keys of the service are in POSTERN_API_KEYS';

async function main(): Promise<void> {
  const onTerminal = process.stderr.isTTY === true;
  const withKey = keyForThisRun();
  const sockets = takeInherited(process.env, process.pid);
  const watch = watchFiles(hangup.request);
  function readWatched(path: string): string {
    // The configuration file may be half-written for minutes, in an editor, and still be valid.
    if (path !== process.env[CONFIG_VARIABLE]) watch.add(path);
    return readFile(path);
  }
  function load(): Config {
    const keepWatching = watch.clear();
    try {
      return withKey(loadConfig(process.env, readWatched, { onTerminal, sockets }));
    } catch (error) {
      keepWatching();
      throw error;
    }
  }
  const config = load();
  const version = readVersion();
  // This file is built to dist/service/, and the script by dev/build/bundle.ts.
  const listingScript = readFile(
    fileURLToPath(new URL('../chunks/listing-page.js', import.meta.url)),
  );
  const metrics = createMetrics({ version, node: process.version });
  const output = createLogOutput(STANDARD_OUTPUT, metrics.lostLine);
  // If the process ends early, the last lines say why.
  process.on('exit', output.flushSync);
  const log = createLog(config.logLevel, output);
  endOnError(process, log);
  const blocking = sockets.filter(({ blocks }) => blocks).map(({ name }) => name);
  if (blocking.length > 0) log.warn({ sockets: blocking }, BLOCKING);
  const unused = API_VARIABLES.filter((name) => process.env[name]);
  if (unused.length > 0) log.warn({ variables: unused }, OF_COMMANDS);
  metrics.watchProcess();

  const stores = createStores(config.store, {
    log,
    observer: metrics.storeObserver,
    measured: metrics.measuredStore,
    onAcceptedLater: hangup.request,
    onReplaced: () => events.renew(),
  });
  const events = createEvents({
    settings: () => current().config.events,
    open: () => openEventStore(stores.current().options),
    metrics: metrics.events,
    log,
  });
  const metricsText = sharedText(metrics.text, () => performance.now());
  // A reload keeps what follows, until `open`.
  const { emit, stopSending } = events;
  const countsBytes = config.deliveryListen !== undefined;
  // A process that shares the API with others cannot say whose metrics the next request gets.
  const isApiShared = config.apiListen !== 'off' && config.apiListen.fd !== undefined;
  const apiMetrics = config.metricsListen === undefined && !isApiShared && { metricsText };
  const shared = { metrics, emit, countsBytes, version, listingScript, log, now, ...apiMetrics };

  const fetchedKeys: FetchedKeys = new Map();

  async function open(config: Config): Promise<Opened & { readonly app: App }> {
    const files = new Map<string, Buffer>();
    const mounts = createMounts(config.mounts.map(withSign));
    const jwt = await openJwt(config, {
      mounts,
      readFile(path) {
        const text = readWatched(path);
        files.set(path, hashSecret(text));
        return text;
      },
      now,
      fetchedKeys,
      onFailure: (issuer, { message: reason }) =>
        log.warn({ issuer, reason }, 'the keys of an issuer are not available'),
      onRejected: ({ reason, issuer }) =>
        log.info({ reason, issuer }, 'the JWT of a client was rejected'),
    });
    // The store follows last: if the keys are invalid, the current app keeps its store.
    await stores.follow(config.store);
    const { store } = stores.current();
    return { config, files, app: createApp(config, { ...shared, store, mounts, jwt }) };
  }
  const { current, reload } = createCurrent(await open(config), {
    open: async () => open(load()),
    log,
    recordReload: metrics.recordReload,
  });

  // The first requests would get 503 if the store was not connected. Postern waits for CONNECT_MS of store/open.ts at most.
  await stores.started();
  // The only files that the process creates are sockets.
  process.umask(0o777 & ~config.socketMode);
  const { listen: gateAddress, apiListen, metricsListen, deliveryListen } = config;
  const gate = await listen(
    (request, response) => current().app.gate(request, response),
    gateAddress,
    'POSTERN_LISTEN',
  );
  gate.on('clientError', (error, socket) => current().app.denyUnreadable(error, socket));
  const callApi = getRequestListener((request, env) => current().app.api.fetch(request, env));
  const api =
    apiListen === 'off' ? undefined : await listenLimited(callApi, apiListen, 'POSTERN_API_LISTEN');
  const check = () => stores.current().store.check();
  const health = getRequestListener(createHealth({ check, log, metricsText }).fetch);
  const monitor =
    metricsListen && (await listenLimited(health, metricsListen, 'POSTERN_METRICS_LISTEN'));
  const collector = createCollector({
    from: config.deliveryFrom,
    deliver: (entries) => current().app.deliver(entries),
    countDeliveries: metrics.countDeliveries,
    log,
    now,
  });
  const deliveries =
    deliveryListen &&
    (await listenUdp(collector.receive, deliveryListen, 'POSTERN_DELIVERY_LISTEN'));
  // Node.js has no address for an inherited Unix socket.
  const addresses = {
    gate: gate.address() ?? gateAddress,
    api: api ? (api.address() ?? apiListen) : 'off',
    metrics: monitor?.address() ?? metricsListen,
    delivery: deliveries?.address(),
  };
  const [storeType] = config.store.url.split(':', 1);
  log.info({ ...addresses, store: storeType }, 'listening');
  const servers = [gate, api, monitor].filter((server) => server !== undefined);
  async function closeStore(): Promise<void> {
    // Other processes may share the socket. Then store the lines about the last requests.
    deliveries?.close();
    await collector.close();
    await events.close();
    await stores.close();
  }
  const { stop: stopReloading } = hangup;
  endOnSignal(process, { servers, stopSending, closeStore, log, output, stopReloading });
  hangup.start(reload);
  watch.start();
}

/** Replaces the settings of an object store by a function that signs requests. */
function withSign({ storage, ...mount }: MountSettings): Mount {
  if (storage === undefined) return mount;
  const sign = createSign(storage, storage.credentials, now);
  return { ...mount, sign, maxReuse: MAX_SIGNATURE_REUSE };
}

/** The version in package.json, at the root of the package: this file is built to dist/service/. */
function readVersion(): string {
  const file = fileURLToPath(new URL('../../package.json', import.meta.url));
  return (JSON.parse(readFile(file)) as { version: string }).version;
}

/** If the API has no client, which is valid only on a terminal, adds an API key for this run and shows it once there. */
function keyForThisRun(): (config: Config) => Config {
  let sha256: Buffer | undefined;
  return function withKey(config) {
    const { apiListen, apiKeys, issuers, maxExpiresIn, maxResumeFor } = config;
    if (apiListen === 'off' || apiKeys.length + issuers.length > 0) return config;
    sha256 ??= showNewKey();
    const client = { id: 'terminal', targets: [], maxExpiresIn, maxResumeFor };
    return { ...config, apiKeys: [{ sha256, client }] };
  };
}

/** Returns the hash of the key. */
function showNewKey(): Buffer {
  const secret = randomBytes(24).toString('base64url');
  process.stderr.write(
    `No API key is configured. This key is valid until Postern stops:\n\n  ${secret}\n\n`,
  );
  return hashSecret(secret);
}

// Node would start its debugger on a port. A listener prevents that.
process.on('SIGUSR1', () => {});
const hangup = watchHangup(process);

// Both `node main.js` and `postern serve`, which imports this file, start the service.
main().catch((error: unknown) => endAtStart(process, error));
