/**
 * The doors before a house, and what runs beside them: the outbox, the change table, the sweep of app passwords. With
 * house.ts the composition root.
 */
import { followChanges } from './account/follow-changes.ts'
import { isFormerWebhook } from './alarm/open.ts'
import type { ConnectionTest } from './check/connection-test.ts'
import type { LoadedConfig } from './config/load.ts'
import type { Config } from './config/schema.ts'
import { startAppPasswordSweep } from './credential/app-password-sweep.ts'
import { isFormerDovecot } from './dovecot/open.ts'
import { directoryPlace } from './directory/open.ts'
import { listenSasl, type SaslListener } from './door/dovecot-auth/socket.ts'
import type { AccessToken } from './door/http/access.ts'
import { createAdminApp } from './door/http/admin-app.ts'
import { createAuthApp } from './door/http/auth-app.ts'
import { listenHttp, type HttpListener } from './door/http/listen.ts'
import { listenSocketmap, type SocketmapListener } from './door/socketmap/socket.ts'
import { descriptorWarning } from './door/descriptor-limit.ts'
import { describeListeners } from './door/describe-listeners.ts'
import { InheritedSockets } from './door/inherited.ts'
import { createIncidents } from './incident/lock-account.ts'
import { startOutboxWork } from './outbox/work.ts'
import { Secret } from './secret.ts'
import type { Logger } from './telemetry/logger.ts'
import { startLastMinute } from './telemetry/last-minute.ts'
import { readStatus } from './telemetry/read-status.ts'
import { sparing } from './telemetry/sparing.ts'
import type { House } from './house.ts'

/** Requests in flight finish within the time any request may take. */
const DRAIN_MS = 8000

/** What counted before a restart counts from the first login on, where the database answers in time. */
const PENALTIES_WITHIN_MS = 1000

export interface Daemon {
  readonly addresses: {
    readonly http: readonly string[]
    readonly sasl: readonly string[]
    readonly socketmap: readonly string[]
    readonly admin: readonly string[]
  }
  /** Stops listening, lets requests in flight finish, writes what is buffered. */
  close(): Promise<void>
}

/**
 * Starts the doors of a house, on the sockets that are `bound` already where they have the addresses of the
 * configuration. When one cannot be bound, what was started is closed again.
 */
export async function startDaemon(
  house: House,
  loaded: LoadedConfig,
  logger: Logger,
  version: string,
  bound = new InheritedSockets([]),
): Promise<Daemon> {
  const { config, dataDir } = loaded
  const { clock, login, metrics } = house
  const tokens = tokensOf(config)
  const tooFew = descriptorWarning(config)
  if (tooFew !== undefined) logger.warn({}, tooFew)
  // A wrong token comes with every login of a mail server.
  const doorLogger = sparing(logger, clock)
  const http: HttpListener[] = []
  const sasl: SaslListener[] = []
  const socketmap: SocketmapListener[] = []
  const { store } = house
  const outbox = startOutboxWork({
    consumers: house.consumers,
    source: store.outbox,
    isAbandoned: (consumer) => isFormerDovecot(consumer, config) || isFormerWebhook(consumer, config),
    clock,
    logger: doorLogger,
  })
  house.alarms.onWritten(() => outbox.wake())
  const follower = followChanges({
    source: store.changes,
    changed: (event) => {
      house.accounts.changed(event)
      // The first reading of the table takes back what was known before it: a pass begun earlier would be for nothing.
      // Both need the database.
      if (event.kind === 'everything') house.records.start()
      // What a change asks of others is written with it.
      outbox.wake()
    },
    clock,
    logger,
  })
  house.events.start({ sessionsEnd: () => outbox.wake() })
  const lastMinute = startLastMinute(() => metrics.loginsByVerdict(), clock)
  house.log.start()
  await house.guarding.start(PENALTIES_WITHIN_MS)
  const sweep = startAppPasswordSweep({ rows: house.store.appPasswords, clock, logger })
  // Not waited for: a warning now, in place of one when SOGo comes.
  void house.sogoPassword?.look()

  async function close(): Promise<void> {
    await Promise.all([
      ...http.map((listener) => listener.close()),
      ...[...sasl, ...socketmap].map((listener) => listener.close(DRAIN_MS)),
      // What logins write meanwhile is found by the next start.
      outbox.close(),
    ])
    follower.stop()
    await house.events.stop()
    await sweep.stop()
    lastMinute.stop()
    await house.close()
  }

  try {
    const auth = createAuthApp({
      login,
      userdb: house.userdb,
      authPolicy: house.authPolicy,
      tokens,
      compatNetworks: config.compat.networks,
      sogoNetworks: config.compat.sogo_networks,
      clock,
      logger: doorLogger,
    })
    http.push(await listenHttp(auth, config.http.listen, dataDir, config.http.socket_mode, bound))
    for (const listener of config.sasl.listeners) {
      const recordRefused = house.log.record.bind(house.log)
      sasl.push(
        await listenSasl(listener, config.sasl, { login, recordRefused, clock, logger, dataDir, bound }),
      )
    }
    for (const listener of config.socketmap.listeners) {
      const answered = metrics.recordMapLookup.bind(metrics)
      const dependencies = { maps: house.maps, answered, clock, logger: doorLogger, dataDir, bound }
      socketmap.push(await listenSocketmap(listener, config.socketmap, dependencies))
    }
    metrics.watch({
      saslConnections: () => sasl.reduce((sum, listener) => sum + listener.connections, 0),
      socketmapConnections: () => socketmap.reduce((sum, listener) => sum + listener.connections, 0),
      outbox: () => outbox.waiting(),
      directoryEvents: () => house.events.state(),
    })
    const connectionTest = lazyConnectionTest(house, loaded)
    const status = () =>
      readStatus({
        version,
        clock,
        readiness: () => house.readiness(),
        listeners: () => describeListeners({ http, sasl, socketmap }),
        store: house.store,
        directory: {
          where: directoryPlace(config.directory, dataDir),
          health: () => house.directory.health(),
          staleMs: house.limits.staleMs,
          outageMs: house.limits.outageMs,
          oldestServedMs: house.oldestServedMs,
        },
        records: () => house.records.keeping.state(),
        accounts: () => house.accounts.size,
        memoEntries: () => house.memo.size,
        passwords: () => house.pool.figures(),
        logins: () => metrics.loginsByVerdict(),
        lastMinute: () => lastMinute.read(),
        logPending: () => house.log.pending(),
        outboxPending: async () =>
          (await house.store.outbox.pending()).reduce((sum, { count }) => sum + count, 0),
        changes: () => follower.state(),
        events: () => house.events.state(),
      })
    const admin = createAdminApp({
      login,
      explain: house.explain,
      readiness: () => house.readiness(),
      appPasswords: house.appPasswords,
      connectionTest,
      penalties: house.guarding.desk,
      incidents: createIncidents({
        locks: store.locks,
        outbox: store.outbox,
        drain: () => outbox.wake(),
        changed: (address) => house.accounts.changed({ kind: 'mailbox', address }),
        clock,
      }),
      keeping: house.records.keeping,
      loginLog: house.store.loginLog,
      status,
      metrics,
      tokens,
      version,
      clock,
      logger: doorLogger,
    })
    // Its UNIX socket opens everything without a token: for the owner and the group of the daemon alone.
    http.push(await listenHttp(admin, config.admin.listen, dataDir, '0660', bound))
    bound.checkAllTaken()
  } catch (error) {
    await close()
    throw error
  }

  const [authDoor, adminDoor] = http
  return {
    addresses: {
      http: authDoor?.addresses ?? [],
      sasl: sasl.map((listener) => listener.address),
      socketmap: socketmap.map((listener) => listener.address),
      admin: adminDoor?.addresses ?? [],
    },
    close,
  }
}

/** Rarely run: its modules are no part of the start. It opens a directory of its own, and asks the open database. */
function lazyConnectionTest({ clock, store }: House, loaded: LoadedConfig): ConnectionTest {
  const { config, dataDir } = loaded
  return async (options) => {
    const { createConnectionTest } = await import('./check/connection-test.ts')
    const { openDirectoryProbe } = await import('./directory/open-probe.ts')
    const test = createConnectionTest(loaded, {
      clock,
      env: process.env,
      openDirectory: () => openDirectoryProbe(config.directory, dataDir, clock),
      openStore: async () => ({ probe: store.probe, close: async () => {} }),
    })
    return test(options)
  }
}

function tokensOf(config: Config): AccessToken[] {
  return config.tokens.flatMap(({ name, scopes, secret }) =>
    secret === undefined ? [] : [{ name, scopes, secret: Secret.fromText(secret) }],
  )
}
