# syntax=docker/dockerfile:1

# slim, not alpine: the same C library as where the tests run, for some 25 MB more to pull.
FROM node:24-slim AS base
WORKDIR /app
COPY package.json package-lock.json ./

FROM base AS build
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY service/ service/
RUN npm run build

FROM base AS dependencies
RUN npm ci --omit=dev

FROM node:24-slim
WORKDIR /app
ENV NODE_ENV=production \
    POSTERN_LISTEN=unix:/run/postern/gate.sock \
    POSTERN_API_LISTEN=0.0.0.0:7301
# A volume that is mounted here takes this owner. Others may pass through: nginx's workers are
# another user, and the socket in it is open to whoever gets there.
RUN install -d -o node -g node -m 0755 /run/postern
COPY package.json ./
COPY --from=dependencies /app/node_modules/ node_modules/
COPY --from=build /app/dist/service/ dist/service/
USER node

# The API. The gate has no port: it trusts whoever reaches it, and listens on a socket.
EXPOSE 7301
STOPSIGNAL SIGTERM

# Node itself, since the image has no curl. Both listeners' addresses come from the environment.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["node", "-e", "const a = process.env.POSTERN_API_LISTEN; const at = a.startsWith('unix:') ? { socketPath: a.slice(5) } : { host: a.slice(0, a.lastIndexOf(':')).replace(/[[\\]]/g, '').replace(/^0\\.0\\.0\\.0$/, '127.0.0.1').replace(/^::$/, '::1'), port: a.slice(a.lastIndexOf(':') + 1) }; require('node:http').get({ ...at, path: '/livez', timeout: 2000 }, (r) => process.exit(r.statusCode === 200 ? 0 : 1)).on('timeout', () => process.exit(1)).on('error', () => process.exit(1))"]

# A container that keeps tokens in memory forgets them with each deployment, so that must be said.
# `exec` makes node the process that gets the signals.
ENTRYPOINT ["/bin/sh", "-c", "if [ -z \"$POSTERN_STORE\" ]; then echo 'postern: set POSTERN_STORE, such as redis://redis:6379/0; memory: for one container whose tokens end with it' >&2; exit 2; fi; exec node dist/service/main.js"]
