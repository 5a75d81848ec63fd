/**
 * The composition root: the only file that builds adapters and wires rooms and doors. `openHouse` is everything that a
 * login needs; `startDaemon` puts the doors before it. Over 300 lines: what is wired here is wired nowhere else.
 */
import { AccountMemory } from './account/accounts.ts'
import { followChanges } from './account/follow-changes.ts'
import { createMailMaps } from './account/maps/mail-maps.ts'
import { createUserDb } from './account/userdb.ts'
import type { ConnectionTest } from './check/connection-test.ts'
import { systemClock } from './clock.ts'
import type { LoadedConfig } from './config/load.ts'
import type { Config } from './config/schema.ts'
import { settingsFromConfig } from './config/settings.ts'
import { startAppPasswordSweep } from './credential/app-password-sweep.ts'
import { createAppPasswords } from './credential/app-passwords.ts'
import { Memo } from './credential/memo.ts'
import { CredentialVerifier } from './credential/verify.ts'
import { isFormerDovecot, openDovecots, sessionEnding } from './dovecot/open.ts'
import { directoryPlace, openDirectory } from './directory/open.ts'
import { watchDirectory } from './directory/watched.ts'
import { listenSasl, type SaslListener } from './door/dovecot-auth/socket.ts'
import type { AccessToken } from './door/http/access.ts'
import { createAdminApp } from './door/http/admin-app.ts'
import { createAuthApp } from './door/http/auth-app.ts'
import { listenHttp, type HttpListener } from './door/http/listen.ts'
import { listenSocketmap, type SocketmapListener } from './door/socketmap/socket.ts'
import { describeListeners } from './door/describe-listeners.ts'
import { InheritedSockets } from './door/inherited.ts'
import { createExplain } from './explain/explain.ts'
import { createIncidents } from './incident/lock-account.ts'
import { createLoginLog } from './login-log/login-log.ts'
import { decide } from './login/decide.ts'
import { createLogin } from './login/login.ts'
import { createApply } from './mailbox/apply.ts'
import { besideOf, openConsumers } from './mailcow/consumers.ts'
import { createSogoPassword } from './mailcow/sogo-password.ts'
import { isStuck } from './outbox/figures.ts'
import { startOutboxWork } from './outbox/work.ts'
import { createPasswordPool } from './password/pool.ts'
import { openPolicy } from './policy/policy.ts'
import { Secret } from './secret.ts'
import { openStore } from './store/database.ts'
import type { Logger } from './telemetry/logger.ts'
import { startLastMinute } from './telemetry/last-minute.ts'
import { readStatus } from './telemetry/read-status.ts'
import { createMetrics } from './telemetry/metrics.ts'
import { sparing } from './telemetry/sparing.ts'

/** Design §3 rule 2: what a login waits for the directory, and the oldest record that answers then. */
const DIRECTORY_WAIT_MS = 2000
const DIRECTORY_STALE_MS = 5 * 60 * 1000
/** Requests in flight finish within the time any request may take. */
const DRAIN_MS = 8000

export type House = Awaited<ReturnType<typeof openHouse>>

/** Builds adapters and rooms. Nothing listens; MariaDB and Keycloak may be down. Throws config_*, store_*. */
export async function openHouse({ config, dataDir }: LoadedConfig, logger: Logger, version: string) {
  const clock = systemClock
  const outageLogger = sparing(logger, clock)
  const metrics = createMetrics({ version })
  const store = await openStore(
    { ...config.store, dataDir },
    { clock, logger, beside: besideOf(config), ending: sessionEnding(config) },
  )
  const directory = watchDirectory(await openDirectory(config.directory, dataDir, { clock, logger }), {
    clock,
    waitMs: DIRECTORY_WAIT_MS,
    record: (...call) => metrics.recordDirectoryRequest(...call),
  })
  const frozen = settingsFromConfig(config.directory, config.store)
  const settings = () => frozen
  const pool = createPasswordPool({
    allowWeak: config.password.allow_weak ?? false,
    argon2MemoryMib: config.password.argon2_memory_mib,
    workers: config.password.workers,
    clock,
  })
  const accounts = new AccountMemory({
    source: store.accounts,
    directory,
    settings,
    clock,
    logger: outageLogger,
    limits: {
      maxAccounts: config.memory.accounts,
      storeFreshMs: config.store.fresh_seconds * 1000,
      freshMs: config.directory.fresh_seconds * 1000,
      unknownMs: config.directory.unknown_seconds * 1000,
      waitMs: DIRECTORY_WAIT_MS,
      staleMs: DIRECTORY_STALE_MS,
    },
  })
  const memo = new Memo(config.memory.memo_entries, clock)
  const verifier = new CredentialVerifier(memo, pool)
  const apply = createApply(store.mailboxes)
  const { sogo_password_file: sogoFile, sogo_networks: sogoNetworks } = config.compat
  const sogoPassword =
    sogoFile === undefined || sogoNetworks.length === 0
      ? undefined
      : createSogoPassword({ path: sogoFile, clock, logger })
  const rooms = {
    policy: openPolicy,
    accounts,
    verifier,
    apply,
    settings,
    clock,
    ...(sogoPassword === undefined ? {} : { sogoPassword }),
  }
  const log = createLoginLog({
    writer: store.loginLog,
    metrics,
    logger,
    clock,
    mode: config.log.logins,
    retentionDays: config.log.retention_days,
    saslLog: true,
  })
  const login = createLogin({
    decide: (request) => decide(request, rooms),
    policy: openPolicy,
    log,
    clock,
    logger: outageLogger,
  })
  const explain = createExplain({
    policy: openPolicy,
    accounts,
    settings,
    hashes: pool,
    names: store.names,
    log: store.loginLog,
    pendingOf: (mailbox) => log.pendingOf(mailbox),
    clock,
    logger: outageLogger,
  })
  metrics.watch({
    passwordPool: () => pool.figures(),
    records: () => accounts.size,
    loginLogPending: () => log.pending(),
  })

  return {
    clock,
    store,
    directory,
    accounts,
    metrics,
    log,
    login,
    pool,
    memo,
    sogoPassword,
    explain,
    consumers: [
      ...(await openConsumers(config, clock)),
      ...openDovecots(config, {
        isWanted: (address, cause) => store.locks.isWanted(address, cause),
        logger,
      }),
    ],
    appPasswords: createAppPasswords({
      rows: store.appPasswords,
      // Rarely called for: none of its modules belong to the start of the daemon.
      hash: async (secret) => (await import('./password/make.ts')).makeHash('SSHA512', secret),
      clock,
      changed: ({ full }) => accounts.changed({ kind: 'mailbox', address: full }),
    }),
    userdb: createUserDb(accounts, config.userdb, outageLogger),
    maps: createMailMaps({
      source: store.maps,
      accounts,
      settings,
      clock,
      logger: outageLogger,
      recipientDelimiter: config.socketmap.recipient_delimiter,
    }),
    /** Known users can log in while the database answers; without the directory only those with a recent record. */
    async readiness() {
      const isStoreUp = await store.ping().then(
        () => true,
        () => false,
      )
      const failure = directory.lastFailure()
      const waiting = isStoreUp ? await store.outbox.pending().catch(() => []) : []
      const degraded = [
        ...(isStoreUp ? [] : ['store_down']),
        ...(failure === undefined ? [] : ['directory_down']),
        ...(isStuck(waiting, clock.nowMs()) ? ['outbox_stuck'] : []),
      ]
      return { ready: isStoreUp, degraded }
    },
    async close() {
      await log.close()
      await pool.close()
      await Promise.all([directory.close(), store.close()])
      metrics.close()
    },
  }
}

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
  // A wrong token comes with every login of a mail server.
  const doorLogger = sparing(logger, clock)
  const http: HttpListener[] = []
  const sasl: SaslListener[] = []
  const socketmap: SocketmapListener[] = []
  const { store } = house
  const outbox = startOutboxWork({
    consumers: house.consumers,
    source: store.outbox,
    isAbandoned: (consumer) => isFormerDovecot(consumer, config),
    clock,
    logger: doorLogger,
  })
  const follower = followChanges({
    source: store.changes,
    changed: (event) => {
      house.accounts.changed(event)
      // What a change asks of others is written with it.
      outbox.wake()
    },
    clock,
    logger,
  })
  const lastMinute = startLastMinute(() => metrics.loginsByVerdict(), clock)
  house.log.start()
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
    await sweep.stop()
    lastMinute.stop()
    await house.close()
  }

  try {
    const auth = createAuthApp({
      login,
      userdb: house.userdb,
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
          staleMs: DIRECTORY_STALE_MS,
        },
        accounts: () => house.accounts.size,
        memoEntries: () => house.memo.size,
        passwords: () => house.pool.figures(),
        logins: () => metrics.loginsByVerdict(),
        lastMinute: () => lastMinute.read(),
        logPending: () => house.log.pending(),
        outboxPending: async () =>
          (await house.store.outbox.pending()).reduce((sum, { count }) => sum + count, 0),
        changes: () => follower.state(),
      })
    const admin = createAdminApp({
      login,
      explain: house.explain,
      readiness: () => house.readiness(),
      appPasswords: house.appPasswords,
      connectionTest,
      incidents: createIncidents({
        locks: store.locks,
        outbox: store.outbox,
        drain: () => outbox.wake(),
        clock,
      }),
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
