/**
 * Adapters and rooms, wired: everything that a login needs. Together with daemon.ts, which puts the doors before it,
 * the composition root: nothing else builds an adapter. Over 300 lines, because it is one list of what goes where.
 */
import { availableParallelism } from 'node:os'
import { openAlarmConsumers } from './alarm/open.ts'
import { createAlarms } from './alarm/raise.ts'
import { AccountMemory } from './account/accounts.ts'
import { createMailMaps } from './account/maps/mail-maps.ts'
import { LookupBudget } from './account/lookup-budget.ts'
import { OldServed } from './account/old-served.ts'
import { createUserDb } from './account/userdb.ts'
import { answersWithin, systemClock } from './clock.ts'
import type { LoadedConfig } from './config/load.ts'
import { settingsFromConfig } from './config/settings.ts'
import { createAppPasswords } from './credential/app-passwords.ts'
import { Memo } from './credential/memo.ts'
import { CredentialVerifier } from './credential/verify.ts'
import { openDovecots, sessionEnding } from './dovecot/open.ts'
import { directoryPlace, openDirectory } from './directory/open.ts'
import { openEventReading } from './directory/event-reading.ts'
import { watchDirectory } from './directory/watched.ts'
import { createExplain } from './explain/explain.ts'
import { createLoginLog } from './login-log/login-log.ts'
import { createAuthPolicy } from './login/auth-policy.ts'
import { parseAddress } from './login/address.ts'
import { decide } from './login/decide.ts'
import { createLogin } from './login/login.ts'
import { createApply } from './mailbox/apply.ts'
import { besideOf, openConsumers } from './mailcow/consumers.ts'
import { openF2b } from './mailcow/open-f2b.ts'
import { createSogoPassword } from './mailcow/sogo-password.ts'
import { openRecords } from './mirror/open.ts'
import { isStuck } from './outbox/figures.ts'
import { createPasswordPool } from './password/pool.ts'
import { AlarmRules } from './policy/alarm-rules.ts'
import { openGuarding } from './policy/guarding.ts'
import { openStore } from './store/database.ts'
import type { Logger } from './telemetry/logger.ts'
import { createMetrics } from './telemetry/metrics.ts'
import { directoryDownText, storeDownText } from './telemetry/outage-text.ts'
import { sparing } from './telemetry/sparing.ts'

/** Design §3 rule 2: what a login waits for the directory, and the oldest record that answers then. */
const DIRECTORY_WAIT_MS = 2000
const DIRECTORY_STALE_MS = 5 * 60 * 1000

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** A probe waits 2 s; a database that hangs is down within that. */
const READY_WITHIN_MS = 1500

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
    logger,
    waitMs: DIRECTORY_WAIT_MS,
    record: (...call) => metrics.recordDirectoryRequest(...call),
  })
  const frozen = settingsFromConfig(config.directory, config.store)
  const settings = () => frozen
  const pool = createPasswordPool({
    allowWeak: config.password.allow_weak ?? false,
    argon2MemoryMib: config.password.argon2_memory_mib,
    workers: config.password.workers,
    metrics,
    clock,
  })
  const { workers } = pool.figures()
  if (workers < (config.password.workers || availableParallelism())) {
    logger.warn(
      { workers },
      'UV_THREADPOOL_SIZE leaves fewer passwords to be compared at a time than configured',
    )
  }
  const records = openRecords({
    config,
    where: directoryPlace(config.directory, dataDir),
    directory: directory,
    rows: store.records,
    hostedDomains: () => store.domains.names(),
    // Late where they are read; where nobody keeps any, passes are all there is.
    areEventsOnTime() {
      const { state, isOnTime } = events.state()
      const isRead = state === 'reading' || state === 'failing' || config.directory.events === 'on'
      return isOnTime || !isRead
    },
    clock,
    logger,
  })
  const limits = {
    maxAccounts: config.memory.accounts,
    storeFreshMs: config.store.fresh_seconds * 1000,
    freshMs: config.directory.fresh_seconds * 1000,
    unknownMs: config.directory.unknown_seconds * 1000,
    waitMs: DIRECTORY_WAIT_MS,
    staleMs: DIRECTORY_STALE_MS,
    outageMs: config.directory.outage_hours * HOUR_MS,
    storeOutageMs: config.store.outage_minutes * MINUTE_MS,
  }
  const oldServed = new OldServed()
  const accounts = new AccountMemory({
    book: records.book,
    passes: records.passes,
    source: store.accounts,
    directory,
    settings,
    clock,
    logger: outageLogger,
    budget: new LookupBudget(config.directory.unknown_per_second, {
      isKnownNetwork: (network) => guarding.known.isKnownNetwork(network),
    }),
    watch: {
      servedOldRecord(ageMs) {
        oldServed.record(ageMs, clock.monotonicMs())
        metrics.recordOldRecordServed(ageMs)
      },
      servedOldRows: () => metrics.recordOldRowsServed(),
      refused: (why) => metrics.recordPutOff(why),
    },
    limits,
  })
  const events = openEventReading({
    config: config.directory,
    directory,
    accounts: {
      addressesOf: (id) => accounts.addressesOf(id),
      changed: (event) => accounts.changed(event),
      async refresh(text) {
        const address = parseAddress(text)
        // A database that is down is told by whoever waits for it.
        if (address !== undefined) await Promise.resolve(accounts.get(address)).catch(() => undefined)
      },
    },
    position: store.directoryEvents.position(directoryPlace(config.directory, dataDir)),
    // Nobody else can tell whose sessions there are.
    ...(config.dovecot.endpoints.length === 0 ? {} : { departures: store.directoryEvents }),
    isHeld: () => records.guard.isHolding,
    clock,
    logger,
  })
  const memo = new Memo(config.memory.memo_entries, clock)
  const verifier = new CredentialVerifier(memo, pool)
  const alarms = createAlarms({
    outbox: config.alarm.webhook_url === undefined ? undefined : store.outbox,
    metrics,
    logger,
    clock,
  })
  const alarmLimits = {
    guesses: config.alarm.guesses,
    networkGuesses: config.alarm.network_guesses,
    newNetworksPerHour: config.alarm.new_networks_per_hour,
  }
  const alarmRules = new AlarmRules(
    alarmLimits,
    (alarm) => alarms.raise(alarm),
    () => clock.monotonicMs(),
  )
  const f2b = await openF2b(config, clock, outageLogger)
  const guarding = openGuarding(config.policy, {
    sharedSources: [...config.policy.shared_sources, ...config.compat.sogo_networks],
    failureDelayMs: config.sasl.failure_delay_ms,
    observers: [alarmRules, ...(f2b === undefined ? [] : [f2b])],
    shared: store.guesses,
    pairs: { store: store.knownPairs, logins: store.loginLog },
    clock,
    logger: outageLogger,
  })
  const apply = createApply(store.mailboxes)
  const { sogo_password_file: sogoFile, sogo_networks: sogoNetworks } = config.compat
  const sogoPassword =
    sogoFile === undefined || sogoNetworks.length === 0
      ? undefined
      : createSogoPassword({ path: sogoFile, clock, logger })
  const rooms = {
    policy: guarding.policy,
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
    policy: guarding.policy,
    log,
    clock,
    logger: outageLogger,
  })
  const explain = createExplain({
    policy: guarding.policy,
    accounts,
    settings,
    hashes: pool,
    names: store.names,
    log: store.loginLog,
    heldTurn: (email) => records.guard.heldTurn(email),
    pendingOf: (mailbox) => log.pendingOf(mailbox),
    clock,
    logger: outageLogger,
  })
  metrics.watch({
    passwordPool: () => pool.figures(),
    records: () => accounts.size,
    massChangeHeld: () => (records.guard.isHolding ? records.guard.state().turned : 0),
    keeping: () => records.figures(),
    directoryDown: () => directory.downBy() !== undefined,
    loginLogPending: () => log.pending(),
    guessing: () => guarding.figures(),
  })

  return {
    clock,
    store,
    directory,
    events,
    accounts,
    records,
    limits,
    metrics,
    log,
    login,
    pool,
    memo,
    sogoPassword,
    guarding,
    explain,
    alarms,
    consumers: [
      ...openAlarmConsumers(config, clock),
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
    authPolicy: createAuthPolicy({ policy: guarding.policy, clock }),
    /** How old the records are that serve while the directory is down; undefined where none served of late. */
    oldestServedMs: () => oldServed.oldestMs(clock.monotonicMs()),
    userdb: createUserDb(accounts, config.userdb, outageLogger),
    maps: createMailMaps({
      source: store.maps,
      accounts,
      settings,
      clock,
      logger: outageLogger,
      recipientDelimiter: config.socketmap.recipient_delimiter,
    }),
    /** Known users can log in: while the database answers, and for a while longer; without the directory by old records. */
    async readiness() {
      const isStoreUp = await answersWithin(clock, READY_WITHIN_MS, store.ping())
      const failure = directory.lastFailure()
      const isDown = directory.downBy() !== undefined
      const waiting = isStoreUp ? await store.outbox.pending().catch(() => []) : []
      const degraded = [
        ...(isStoreUp ? [] : ['store_down']),
        ...(records.guard.isHolding ? ['directory_mass_change'] : []),
        ...(events.isMissed() ? ['directory_events'] : []),
        ...(failure === undefined && !isDown ? [] : ['directory_down']),
        ...(isStuck(waiting, clock.nowMs()) ? ['outbox_stuck'] : []),
      ]
      const notes = [
        ...(isDown ? [directoryDownText(oldServed.oldestMs(clock.monotonicMs()))] : []),
        ...(isStoreUp ? [] : [storeDownText(accounts.servesOldRows(), config.store.outage_minutes)]),
      ]
      return { ready: isStoreUp || accounts.servesOldRows(), degraded, notes }
    },
    async close() {
      f2b?.close()
      await Promise.all([log.close(), alarms.close(), guarding.close()])
      await pool.close()
      await records.stop()
      await Promise.all([directory.close(), store.close()])
      metrics.close()
    },
  }
}
