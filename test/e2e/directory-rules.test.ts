/**
 * The rules of design §3 on a real Keycloak behind a proxy that spoils its answers: how soon a change counts, with events
 * and without them, and what never follows from a fault. Three daemons share one realm:
 *
 *   reading   events on, records that are fresh for an hour: what counts sooner, counts by an event
 *   calm      no events, the same records
 *   brief     no events, records that are fresh for 2 s
 */
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { hash, keycloakAndMariadb, mailUser, type FullBackend } from './backend.ts'
import { httpLogin, startDaemon, TOKEN, type RunningDaemon } from './daemon.ts'
import { openSession } from './imap-session.ts'
import { isRecord, parseJsonObject } from './json.ts'
import { dovecotMissing, startDovecot, type Dovecot } from '../servers/dovecot.ts'
import { startFaultProxy, type FaultProxy, type HttpFault } from '../servers/fault-proxy.ts'
import { userProfile } from '../servers/keycloak-realm.ts'
import { freePorts } from '../servers/ports.ts'
import { keycloakMissing, mariadbMissing, suite } from '../servers/suite.ts'

const DOMAIN = 'rules.example'
const PASSWORD = 'correct-horse-battery'
const NEW_PASSWORD = 'staple-correct-horse'
const API_KEY = 'a-key-of-the-rules-suite'
const WAIT_MS = 60_000
/** Of the guard against mass changes: more than this is one. */
const MANY = 24

const user = (name: string) => `${name}@${DOMAIN}`
const CROWD = [...Array(MANY).keys()].map((at) => user(`crowd-${at}`))
const NAMES = ['fresh', 'stale', 'password', 'disabled', 'deleted', 'kept', 'renamed', 'slow-events']
/** Faults that the directory says wrong things by, or nothing. */
const FAULTS = ['failing', 'refusing', 'html', 'half', 'stopped'] as const satisfies readonly HttpFault[]

interface House {
  readonly daemon: RunningDaemon
  readonly proxy: FaultProxy
}

interface World {
  readonly backend: FullBackend
  readonly reading: House
  readonly calm: House
  readonly brief: House
  readonly dovecot: Dovecot
}

/** `200 ok`. */
async function login({ daemon }: House, name: string, password = PASSWORD): Promise<string> {
  const { status, body } = await httpLogin(daemon.url, name, password)
  return `${status} ${String(body['verdict'])}`
}

/** Asks until it is so; gives how long that took, in milliseconds. */
async function until<T>(ask: () => Promise<T> | T, isSo: (answer: T) => boolean): Promise<number> {
  const startedMs = Date.now()
  for (;;) {
    const answer = await ask()
    if (isSo(answer)) return Date.now() - startedMs
    if (Date.now() - startedMs > WAIT_MS) throw new Error(`never came: last ${JSON.stringify(answer)}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function events({ daemon }: House): Promise<Record<string, unknown>> {
  const response = await fetch(`${daemon.adminUrl}/v1/status`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  })
  const { events } = parseJsonObject(await response.text())
  return isRecord(events) ? events : {}
}

/** The body of /readyz. */
async function readyz({ daemon }: House): Promise<string> {
  const response = await fetch(`${daemon.adminUrl}/readyz`, { headers: { authorization: `Bearer ${TOKEN}` } })
  return await response.text()
}

const untilReading = (house: House, state: string) =>
  until(
    () => events(house),
    (told) => told['state'] === state,
  )

async function startWorld(t: Test): Promise<World> {
  const backend = await keycloakAndMariadb(
    t,
    DOMAIN,
    [...NAMES.map(user), ...CROWD].map((email) => mailUser(email, PASSWORD)),
    {
      realm: {
        roles: ['view-users', 'view-events', 'view-realm'],
        settings: {
          eventsEnabled: true,
          eventsExpiration: 604_800,
          adminEventsEnabled: true,
          bruteForceProtected: true,
          permanentLockout: true,
          failureFactor: 2,
        },
      },
    },
  )
  const mailDir = join(tmpdir(), `mailpassd-mail-${randomBytes(4).toString('hex')}`)
  const [http = 0, sasl = 0, admin = 0, doveadm = 0] = await freePorts(4)
  const dovecot = await startDovecot({
    version: '2.3',
    url: `http://127.0.0.1:${http}`,
    token: TOKEN,
    mailDir,
    doveadm: { port: doveadm, apiKey: API_KEY },
  })
  t.teardown(() => dovecot.stop())
  const userdb = `[userdb]\nhome = "${mailDir}/%d/%n"\nmail = "maildir:${mailDir}/%d/%n/Maildir"\n`
  const endpoint = `[[dovecot.endpoints]]\nname = "d"\nurl = "http://127.0.0.1:${doveadm}"\napi_key = "${API_KEY}"\n`

  async function house(keys: string, ports?: RunningDaemon['ports']): Promise<House> {
    const proxy = await startFaultProxy(backend.realm.url)
    t.teardown(() => proxy.stop())
    const config = backend.config({ serverUrl: proxy.url, userdb }) + endpoint
    const daemon = await startDaemon({
      config: config
        .replace('[directory]', `[directory]\n${keys}`)
        .replace('[log]', '[log]\nlevel = "debug"'),
      failureDelayMs: 0,
      ...(ports === undefined ? {} : { ports }),
    })
    t.teardown(() => daemon.stop())
    t.teardown(() => {
      if (!t.passing()) t.comment(keys, daemon.log())
    })
    return { daemon, proxy }
  }
  const hour = 'fresh_seconds = 3600\nunknown_seconds = 3600'
  return {
    backend,
    dovecot,
    reading: await house(`${hour}\nevents = "on"\nevents_seconds = 1`, { http, sasl, admin }),
    calm: await house(`${hour}\nevents = "off"`),
    brief: await house('fresh_seconds = 2\nunknown_seconds = 1\nevents = "off"'),
  }
}

suite('rules of the directory', [dovecotMissing('2.3'), keycloakMissing(), mariadbMissing()], async (t) => {
  const world = await startWorld(t)
  const { backend, reading, calm, brief, dovecot } = world
  const { realm } = backend
  const usernameOf = (name: string) => user(name).replace('@', '.at.')
  for (const name of NAMES) await login(reading, user(name))
  await untilReading(reading, 'reading')

  t.test('rule 1: a fresh record costs no call, whatever becomes of the directory', async (t) => {
    t.equal(await login(calm, user('fresh')), '200 ok')
    for (const fault of FAULTS) {
      await calm.proxy.set(fault)
      t.equal(await login(calm, user('fresh')), '200 ok', fault)
      t.equal(calm.proxy.requests(), 0, 'not asked')
    }
    await calm.proxy.set(undefined)
  })

  t.test('rule 2: a slow directory: the last record answers, and the late answer replaces it', async (t) => {
    t.equal(await login(brief, user('stale')), '200 ok')
    await brief.proxy.set('slow')
    await realm.setUser(usernameOf('stale'), { enabled: false })
    const answers: string[] = []
    const tookMs = await until(
      async () => {
        const answer = await login(brief, user('stale'))
        answers.push(answer)
        return answer
      },
      (answer) => answer === '403 user_disabled',
    )
    t.same(new Set(answers.slice(0, -1)), new Set(['200 ok']), 'known by its record until then')
    t.comment(`every call 3 s late, no events, fresh for 2 s: refused ${tookMs} ms after it was disabled`)
    await brief.proxy.set(undefined)
  })

  t.test('rule 5: a new password counts with its event, and the old one no more', async (t) => {
    const name = user('password')
    t.equal(await login(reading, name), '200 ok')
    await realm.setUser(usernameOf('password'), { attributes: { mailcow_password: [hash(NEW_PASSWORD)] } })
    // The old one is tried: a wrong password alone makes a record be read anew.
    const tookMs = await until(
      () => login(reading, name),
      (answer) => answer === '401 password_mismatch',
    )
    t.comment(`the old password is wrong ${tookMs} ms after the change`)
    t.equal(await login(reading, name, NEW_PASSWORD), '200 ok')
    t.equal(await login(calm, user('password'), NEW_PASSWORD), '200 ok', 'without a record')
  })

  t.test('rule 6: disabled and deleted users are refused, and their sessions end', async (t) => {
    for (const name of ['disabled', 'deleted']) {
      const session = await openSession(dovecot.ports.imap, user(name), PASSWORD)
      const startedMs = Date.now()
      if (name === 'disabled') await realm.setUser(usernameOf(name), { enabled: false })
      else await realm.deleteUser(usernameOf(name))
      const refusedMs = await until(
        () => login(reading, user(name)),
        (answer) => answer !== '200 ok',
      )
      const endedMs = (await session.ended) - startedMs
      t.comment(`${name}: refused after ${refusedMs} ms, session ended after ${endedMs} ms`)
      t.match(await login(reading, user(name)), /^40[13] user_/)
      session.close()
    }
  })

  t.test('rule 6: every call 3 s late: refused, and the session ends, by an event', async (t) => {
    const name = user('slow-events')
    const session = await openSession(dovecot.ports.imap, name, PASSWORD)
    await reading.proxy.set('slow')
    const startedMs = Date.now()
    await realm.setUser(usernameOf('slow-events'), { enabled: false })
    const tookMs = await until(
      () => login(reading, name),
      (answer) => answer === '403 user_disabled',
    )
    const endedMs = (await session.ended) - startedMs
    t.comment(`every call 3 s late, events on: refused after ${tookMs} ms, session ended after ${endedMs} ms`)
    t.ok(tookMs < 20_000, 'within the bound that is promised')
    session.close()
    await reading.proxy.set(undefined)
    await untilReading(reading, 'reading')
  })

  t.test('rule 6: no session ends by a fault of the directory', async (t) => {
    const session = await openSession(dovecot.ports.imap, user('kept'), PASSWORD)
    for (const fault of FAULTS) {
      await reading.proxy.set(fault)
      // Read when the directory is back, and undone by then.
      if (fault === 'failing') await realm.setUser(usernameOf('kept'), { enabled: false })
      await untilReading(reading, 'failing')
      if (fault !== 'stopped')
        await until(
          () => reading.proxy.requests(),
          (requests) => requests > 0,
        )
      t.equal(await login(reading, user('kept')), '200 ok', `${fault}: by its record`)
    }
    await realm.setUser(usernameOf('kept'), { enabled: true })
    await reading.proxy.set(undefined)
    await untilReading(reading, 'reading')
    await until(
      () => events(reading),
      (told) => told['pending'] === 0,
    )
    t.equal(await login(reading, user('kept')), '200 ok')
    t.notOk(session.hasEnded(), 'what was undone before it was read ends nothing')
    session.close()
  })

  t.test('rule 7: a user who is made after a failed login gets in; so does one who is renamed', async (t) => {
    for (const house of [reading, calm])
      t.equal(await login(house, user('new')), '401 user_unknown', 'remembered for an hour')
    await realm.addUser(mailUser(user('new'), PASSWORD))
    const tookMs = await until(
      () => login(reading, user('new')),
      (answer) => answer === '200 ok',
    )
    t.comment(`in ${tookMs} ms after being made`)
    t.equal(await login(reading, user('renamed-to')), '401 user_unknown')
    const { email } = mailUser(user('renamed-to'), PASSWORD)
    await realm.setUser(usernameOf('renamed'), email === undefined ? {} : { email })
    await until(
      () => login(reading, user('renamed-to')),
      (answer) => answer === '200 ok',
    )
    t.pass('by the new address')
    await until(
      () => login(reading, user('renamed')),
      (answer) => answer !== '200 ok',
    )
    t.pass('by the old one no more')
  })

  t.test('events are switched off and on: told by /readyz', async (t) => {
    const kept = { eventsEnabled: true, adminEventsEnabled: true, eventsExpiration: 604_800 }
    await realm.admin('PUT', '/events/config', { ...kept, adminEventsEnabled: false })
    await untilReading(reading, 'not_kept')
    t.match(await events(reading), { missing: ['admin events'] })
    t.match(await readyz(reading), /directory_events/)
    await realm.admin('PUT', '/events/config', kept)
    await untilReading(reading, 'reading')
    t.notMatch(await readyz(reading), /directory_events/)
  })

  t.test('rules 8 and 14: the profile hides all hashes: nobody is kicked or refused', async (t) => {
    for (const name of CROWD) t.equal(await login(reading, name), '200 ok')
    const session = await openSession(dovecot.ports.imap, CROWD[0] ?? '', PASSWORD)
    await realm.admin('PUT', '/users/profile', userProfile({ attributes: {} }))
    await until(
      () => reading.daemon.log(),
      (log) => log.includes("the realm's rules were changed"),
    )
    for (let round = 0; round < 3; round++)
      for (const name of CROWD) t.equal(await login(reading, name), '200 ok', name)
    t.notOk(session.hasEnded())
    t.match(await readyz(reading), /directory_mass_change/, 'the alarm')
    session.close()
    await realm.admin('PUT', '/users/profile', userProfile({}))
  })
})
