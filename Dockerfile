# A digest names each image exactly, here and in compose.yaml. The tag is for readers and for Dependabot.

# JavaScript runs on each platform, so this stage runs on the machine that builds.
FROM --platform=$BUILDPLATFORM node:26-slim@sha256:c0753125a3789977aefe869cbebccf70e3cfd7ea84ca48547458f02e4f1d7146 AS build
WORKDIR /app
COPY package.json package-lock.json LICENSE ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY cli/ cli/
COPY client/ client/
COPY common/ common/
COPY doctor/ doctor/
COPY service/ service/
COPY dev/build/bundle.ts dev/build/
RUN npm run build
# A volume that is mounted at /run/postern takes this owner, group and mode. 101 is the group of nginx's
# workers in its official images; set-group-ID gives it the socket, so that nobody else can connect.
RUN install -d /rootfs/run && install -d -o 65532 -g 101 -m 2750 /rootfs/run/postern

# Node.js without a shell and a package manager.
FROM gcr.io/distroless/nodejs26-debian13:nonroot@sha256:10ec8cb93ef461563da50d4eb8dfac7d048783826825bf5b07510c2f34c14315
WORKDIR /app
ENV NODE_ENV=production \
    POSTERN_CONFIG=/etc/postern/postern.yaml
COPY --from=build /rootfs/ /
# Addresses and store. The environment can replace them, and so can a file that is mounted here.
COPY deploy/docker/postern.yaml /etc/postern/
COPY package.json ./
# The bundles contain all packages.
COPY --from=build /app/dist/cli/postern.js dist/cli/
COPY --from=build /app/dist/service/main.js dist/service/
COPY --from=build /app/dist/chunks/ dist/chunks/
# Templates for `postern nginx`.
COPY nginx/snippets/ nginx/snippets/
COPY nginx/local.conf nginx/
USER 65532:65532

# The API. The gate has no port: it trusts every client that can connect, so it listens on a socket.
EXPOSE 7301
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["/nodejs/bin/node", "/app/dist/cli/postern.js", "health"]
ENTRYPOINT ["/nodejs/bin/node", "/app/dist/cli/postern.js"]
CMD ["serve"]
