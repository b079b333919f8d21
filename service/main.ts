import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { getRequestListener } from '@hono/node-server';
import { createApi } from './api/api.ts';
import { type Config, loadConfig } from './config/config.ts';
import { ConfigError } from './config/errors.ts';
import { createAuthorize } from './domain/authorize.ts';
import { hashSecret } from './domain/client.ts';
import { createWithin } from './domain/deadline.ts';
import { createIssue } from './domain/issue.ts';
import { createLookUp, type Rejection } from './domain/look-up.ts';
import { createMounts } from './domain/mount.ts';
import { createProlong, createRevoke } from './domain/revoke.ts';
import { createGate } from './gate/gate.ts';
import { createDenyUnreadable } from './gate/unreadable.ts';
import { KeyFault } from './jwt/keys.ts';
import { openJwt } from './jwt/open.ts';
import { CannotListen, drain, listen } from './listen.ts';
import { createLog, createLogOutput, flushLog } from './log.ts';
import { createMetrics, sharedText } from './metrics/metrics.ts';
import { measuredStore } from './metrics/store.ts';
import { measuredIssue } from './metrics/tokens.ts';
import { openStore } from './store/store.ts';

/** How long the start waits for the store. */
const CONNECT_MS = 1000;

/** Time that requests in flight get at the end; a supervisor usually waits 10 s. */
const DRAIN_MS = 4000;

/** And then the last log lines. */
const FLUSH_MS = 500;

const STANDARD_OUTPUT = 1;

async function main(): Promise<void> {
  const onTerminal = process.stderr.isTTY === true;
  const readFile = (path: string) => readFileSync(path, 'utf8');
  const config = withKey(loadConfig(process.env, readFile, { onTerminal }));
  const version = versionOf(readFile);
  const metrics = createMetrics({ version, node: process.version });
  const output = createLogOutput(STANDARD_OUTPUT, metrics.lostLine);
  // Of a process that ends early, the last lines say why.
  process.on('exit', output.flushSync);
  const log = createLog(config.logLevel, output);
  metrics.watchProcess(process);
  let hasConnected = () => {};
  const connected = new Promise<void>((resolve) => {
    hasConnected = resolve;
  });
  const opened = openStore(config.store, log, (isConnected) => {
    metrics.store.connected(isConnected);
    if (isConnected) hasConnected();
  });
  const store = measuredStore(opened, metrics);
  const { now } = Date;
  const { apiKeys, cookies, decisionTtl, expiresIn, resumeFor, format } = config;
  const { publicUrl = '', socketMode } = config;
  const mounts = createMounts(config.mounts);
  const onFailure = (issuer: string, err: Error) =>
    log.warn({ issuer, reason: err.message }, 'the keys of an issuer cannot be had');
  const onRejected = (rejection: Rejection) =>
    log.info(rejection, 'the JWT of a client is rejected');
  const jwt = await openJwt(config, { mounts, readFile, now, onFailure, onRejected });
  const { signer, verify, owners, clientOf, publicJwks } = jwt;
  // Before it listens: without a handler the signal would end the process.
  process.on('SIGHUP', () => {
    jwt.reload().then(
      (read) =>
        log.info(
          read
            ? 'the keys for JWTs were read anew'
            : 'SIGHUP: the keys for JWTs were not read, as POSTERN_JWT_KEYS names no file',
        ),
      (err: Error) => log.error({ reason: err.message }, 'the keys for JWTs stay as they were'),
    );
  });
  const timed = decisionTtl > 0;
  const lookUp = createLookUp({ store, verify, timed, leeway: config.leeway, now });
  const authorize = createAuthorize({ mounts, store, lookUp, decisionTtl });
  const issue = createIssue({
    mounts,
    store,
    now,
    expiresIn,
    resumeFor,
    format,
    ...(signer && { signer }),
  });
  const api = createApi({
    apiKeys,
    clientOf,
    issue: measuredIssue(issue, metrics.tokens),
    lookUp,
    prolong: createProlong({ mounts, store, now }),
    revoke: createRevoke({ store, lookUp, owners, now }),
    publicJwks,
    metrics: sharedText(metrics.text, () => performance.now()),
    version,
    store,
    log,
    publicUrl,
  });

  // Or the first requests would be denied. Without a store it listens all the same, and says 503.
  await Promise.race([connected, sleep(CONNECT_MS)]);
  const { recordDecision } = metrics;
  const gate = createGate({ authorize, within: createWithin(), cookies, recordDecision, log });
  // Sockets are all that it writes.
  process.umask(0o777 & ~socketMode);
  const servers = [
    await listen(gate, config.listen, 'POSTERN_LISTEN'),
    await listen(getRequestListener(api.fetch), config.apiListen, 'POSTERN_API_LISTEN'),
  ];
  servers[0]?.on('clientError', createDenyUnreadable({ recordDecision, log }));
  const [gateAddress, apiAddress] = servers.map((server) => server.address());
  log.info(
    { gate: gateAddress, api: apiAddress, store: config.store.url.split(':', 1)[0] },
    'listening',
  );

  let ending = false;
  async function end(signal: string): Promise<void> {
    if (ending) return;
    ending = true;
    log.info({ signal }, 'ending: no new requests, those in flight are answered');
    await drain(servers, DRAIN_MS);
    await store.close();
    log.info('ended');
    const flushed = await flushLog(output, FLUSH_MS);
    process.off('exit', output.flushSync);
    if (flushed) process.exit(0);
    // Nobody reads our output any more, and process.exit would wait for the write to be taken.
    process.kill(process.pid, 'SIGKILL');
  }
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}

/** Of the package that this is part of, at its root as built: dist/service/. */
function versionOf(readFile: (path: string) => string): string {
  const file = fileURLToPath(new URL('../../package.json', import.meta.url));
  return (JSON.parse(readFile(file)) as { version: string }).version;
}

/** With no key configured: one for this run, told to whoever sits at the terminal, and only there. */
function withKey(config: Config): Config {
  if (config.apiKeys.length > 0 || config.issuers.length > 0) return config;
  if (!process.stderr.isTTY) throw new Error('no API key, and no terminal to show one on');
  const secret = randomBytes(24).toString('base64url');
  process.stderr.write(
    `No API key is configured. This one is for this run only:\n\n  ${secret}\n\n`,
  );
  const { maxExpiresIn, maxResumeFor } = config;
  const client = { id: 'terminal', targets: [], maxExpiresIn, maxResumeFor };
  return { ...config, apiKeys: [{ sha256: hashSecret(secret), client }] };
}

// Node would start its debugger, on a port. A listener takes the place of that.
process.on('SIGUSR1', () => {});

// Node runs this file, or `postern serve` loads it: both start the service.
main().catch((error: unknown) => {
  const misconfigured = error instanceof ConfigError || error instanceof KeyFault;
  const known = misconfigured || error instanceof CannotListen;
  process.stderr.write(`${known ? error.message : (error as Error).stack}\n`);
  process.exit(misconfigured ? 2 : 1);
});
