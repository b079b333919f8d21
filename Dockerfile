# syntax=docker/dockerfile:1

# slim, not alpine: larger, but with the C library of the systems that run the tests.
FROM node:24-slim AS base
WORKDIR /app
COPY package.json package-lock.json ./

FROM base AS build
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY cli/ cli/
COPY service/ service/
RUN npm run build

FROM base AS dependencies
RUN npm ci --omit=dev

FROM node:24-slim
WORKDIR /app
ENV NODE_ENV=production \
    POSTERN_LISTEN=unix:/run/postern/gate.sock \
    POSTERN_API_LISTEN=0.0.0.0:7301
# A volume that is mounted here takes this owner, group and mode. 101 is the group of nginx's workers in
# its official images; set-group-ID gives it the socket, so that nobody else can connect.
RUN install -d -o node -g 101 -m 2750 /run/postern
COPY package.json ./
COPY --from=dependencies /app/node_modules/ node_modules/
COPY --from=build /app/dist/cli/ dist/cli/
COPY --from=build /app/dist/service/ dist/service/
# Templates for `postern nginx`.
COPY nginx/snippets/ nginx/snippets/
COPY nginx/local.conf nginx/
USER node

# The API. The gate has no port: it trusts every client that can connect, so it listens on a socket.
EXPOSE 7301
STOPSIGNAL SIGTERM

# With Node.js, because the image has no curl. Asks the API, or the gate if the API is off.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD node -e ' \
    const { POSTERN_LISTEN: gate, POSTERN_API_LISTEN: api } = process.env; \
    const [, socketPath, at, port] = \
      /^(?:unix:(.+)|(.+):(\d+))$/.exec(api === "off" ? gate : api); \
    const host = { "0.0.0.0": "127.0.0.1", "[::]": "::1" }[at] ?? at?.replace(/[[\]]/g, ""); \
    require("http").get({ socketPath, host, port, path: "/livez" }, ({ statusCode }) => \
      process.exit(statusCode === 200 ? 0 : 1)).on("error", () => process.exit(1))'

# With tokens in memory, each deployment loses all of them. So memory: must be set explicitly.
# `exec` makes node the process that gets the signals.
ENTRYPOINT ["/bin/sh", "-c", "\
if [ -z \"$POSTERN_STORE\" ]; then \
  echo 'postern: set POSTERN_STORE to redis://host:6379/0, or to memory: for a single container, which loses all tokens when it stops' >&2; exit 2; \
fi; \
exec node dist/service/main.js"]
