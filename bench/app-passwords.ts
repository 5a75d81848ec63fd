/**
 * `node bench/app-passwords.ts`: what a login with an app password costs in a mailbox that has 1 of them, and in one that
 * has 1,000; as a ratio, in one run. Warm: account and password are remembered. Cold: neither is (the rows are read and
 * a hash is compared). SQLite, and MariaDB where MAILPASSD_TEST_MARIADB names one.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import { AccountMemory } from '../src/account/accounts.ts'
import { systemClock } from '../src/clock.ts'
import { makeAppPassword } from '../src/credential/app-password.ts'
import { Memo } from '../src/credential/memo.ts'
import { CredentialVerifier } from '../src/credential/verify.ts'
import { decide, type Rooms } from '../src/login/decide.ts'
import { createApply } from '../src/mailbox/apply.ts'
import { makeHash } from '../src/password/make.ts'
import { createPasswordPool } from '../src/password/pool.ts'
import { openPolicy } from '../src/policy/policy.ts'
import { Secret } from '../src/secret.ts'
import { openStore, type Store, type StoreOptions } from '../src/store/database.ts'
import { silentLogger } from '../src/telemetry/logger.ts'
import { addressOf, makePlan } from '../test/contract/store-plans.ts'
import { FakeDirectory, settings } from '../test/fakes/accounts.ts'

const MANY: readonly Kind[] = [
  { ours: 1, others: 999 },
  { ours: 200, others: 800 },
]
const WARM_LOGINS = 20_000
const COLD_LOGINS = 300

interface Place {
  readonly options: StoreOptions
  readonly sql: (text: string) => Promise<void>
  readonly close: () => Promise<void>
}

const OPTIONS: StoreOptions = {
  kind: 'sqlite',
  schema: 'standalone',
  path: 'store.sqlite',
  host: '127.0.0.1',
  port: 3306,
  database: '',
  user: 'root',
  connections: 10,
  timeout_ms: 3000,
  fresh_seconds: 2,
  dataDir: tmpdir(),
}

async function sqlite(): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-bench-'))
  return {
    options: { ...OPTIONS, dataDir: dir },
    async sql(text) {
      const database = new DatabaseSync(join(dir, 'store.sqlite'))
      database.exec(text)
      database.close()
    },
    close: () => rm(dir, { recursive: true, force: true }),
  }
}

async function mariadb(socket: string): Promise<Place> {
  const name = `mailpassd_bench_${randomBytes(6).toString('hex')}`
  const connection = await createConnection({ socketPath: socket, user: 'root' })
  await connection.query(`create database \`${name}\` collate utf8mb4_general_ci`)
  await connection.query(`use \`${name}\``)
  return {
    options: { ...OPTIONS, kind: 'mysql', socket, database: name },
    async sql(text) {
      await connection.query(text)
    },
    async close() {
      await connection.query(`drop database \`${name}\``)
      await connection.end()
    },
  }
}

interface Kind {
  /** How many of ours; a mailbox may have 200. */
  readonly ours: number
  /** How many that were made elsewhere. */
  readonly others: number
}

let nextId = 1

/** A mailbox with its own password and so many app passwords; gives one of ours, and the address. */
async function fill(place: Place, store: Store, { ours, others }: Kind): Promise<[string, string]> {
  const full = `m${nextId}@example.org`
  await store.mailboxes.apply(addressOf(full), makePlan)
  // No directory is asked about it: what is measured is the app passwords.
  await place.sql(
    `update mailbox set authsource = 'mailcow', password = '{BLF-CRYPT}x' where username = '${full}'`,
  )
  const rows: string[] = []
  const own: string[] = []
  let password = ''
  for (let at = 0; at < ours + others; at += 1) {
    const { tag, secret } = makeAppPassword()
    const hash = await makeHash('SSHA512', secret)
    rows.push(`(${nextId}, 'device ${at}', '${full}', 'example.org', '${hash}')`)
    // The oldest are ours.
    if (at < ours) {
      own.push(`(${nextId}, '${full}', '${hash}', '${tag}', '[]', 0)`)
      password = secret.reveal().toString('latin1')
    }
    nextId += 1
  }
  await place.sql(`insert into app_passwd (id, name, mailbox, domain, password) values ${rows.join(', ')}`)
  await place.sql(
    `insert into mailpassd_app_password (id, mailbox, hash, tag, networks, created_ms) values ${own.join(', ')}`,
  )
  return [full, password]
}

function roomsOn(store: Store, verifier: CredentialVerifier): Rooms {
  const limits = {
    maxAccounts: 100,
    storeFreshMs: 2000,
    freshMs: 60_000,
    unknownMs: 30_000,
    waitMs: 2000,
    staleMs: 300_000,
    outageMs: 86_400_000,
    storeOutageMs: 900_000,
  }
  const parts = { settings: () => settings, clock: systemClock, logger: silentLogger, limits }
  const accounts = new AccountMemory({ source: store.accounts, directory: new FakeDirectory(), ...parts })
  const apply = createApply(store.mailboxes)
  return { policy: openPolicy, accounts, verifier, apply, settings: () => settings, clock: systemClock }
}

async function login(rooms: Rooms, username: string, password: string): Promise<void> {
  const nowMs = systemClock.monotonicMs()
  const { verdict, why } = await decide(
    {
      door: 'sasl',
      mechanism: 'PLAIN',
      service: 'imap',
      username,
      secret: Secret.fromText(password),
      remoteIp: '192.0.2.1',
      localIp: undefined,
      tls: true,
      sessionId: undefined,
      receivedAtMs: nowMs,
      deadlineMs: nowMs + 8000,
    },
    rooms,
  )
  if (verdict !== 'ok') throw new Error(`${username}: ${why}`)
}

/** Median of a login in microseconds. Warm includes the reading again of the rows every second, as in service. */
async function measure(store: Store, username: string, password: string) {
  const pool = createPasswordPool({ allowWeak: false, argon2MemoryMib: 512, workers: 0, clock: systemClock })
  const verifier = () => new CredentialVerifier(new Memo(1000, systemClock), pool)
  const warm = roomsOn(store, verifier())
  await login(warm, username, password)
  const warmUs = await medianUs(WARM_LOGINS, () => login(warm, username, password))
  const coldUs = await medianUs(COLD_LOGINS, () => login(roomsOn(store, verifier()), username, password))
  await pool.close()
  return { warmUs, coldUs }
}

async function medianUs(times: number, run: () => Promise<void>): Promise<number> {
  const tookMs: number[] = []
  for (let time = 0; time < times; time += 1) {
    const startedAtMs = performance.now()
    await run()
    tookMs.push(performance.now() - startedAtMs)
  }
  return (tookMs.sort((a, b) => a - b)[Math.floor(times / 2)] ?? Number.NaN) * 1000
}

const text = (us: number) => `${us.toFixed(us < 100 ? 1 : 0)} us`

async function compare(name: string, place: Place): Promise<void> {
  const store = await openStore(place.options, { clock: systemClock, logger: silentLogger })
  try {
    await store.domains.add('example.org', { template: 'Default' })
    const base = await measure(store, ...(await fill(place, store, { ours: 1, others: 0 })))
    console.log(`${name}: with 1 app password: warm ${text(base.warmUs)}, cold ${text(base.coldUs)}`)
    for (const kind of MANY) {
      const { warmUs, coldUs } = await measure(store, ...(await fill(place, store, kind)))
      console.log(
        `${name}: with 1,000, ${kind.ours} of ours: warm ${text(warmUs)}, ratio ${(warmUs / base.warmUs).toFixed(2)}; ` +
          `cold ${text(coldUs)}, ratio ${(coldUs / base.coldUs).toFixed(2)}`,
      )
    }
  } finally {
    await store.close()
    await place.close()
  }
}

await compare('SQLite', await sqlite())
const socket = process.env['MAILPASSD_TEST_MARIADB']
if (socket !== undefined) await compare('MariaDB', await mariadb(socket))
