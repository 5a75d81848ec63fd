/**
 * What users see while Keycloak or MariaDB is away, and afterwards: "don't know" is never "wrong password", nothing is
 * written, who was known a moment ago still gets in without Keycloak, and nothing needs a restart when they are back.
 * Each outage meets users whom the daemon never saw before, one for each kind of client.
 */
import type { Test } from 'tap'
import { TOKEN, type RunningDaemon } from './daemon.ts'
import { parseJsonObject } from './json.ts'
import {
  CLIENTS,
  GOOD,
  LATER,
  rowCounts,
  startWay,
  WAY_NEEDS,
  type ClientName,
  type Logins,
  type Way,
} from './outage-way.ts'
import { HTTP_FAULTS, type HttpFault } from '../servers/fault-proxy.ts'
import { suite } from '../servers/suite.ts'

const DOMAIN = 'outage.example'
/** Shortest there is: whoever logged in before an outage is past it when the first refusals are out. */
const FRESH_SECONDS = 1
const WAIT_MS = 60_000

const OUTAGES = [...HTTP_FAULTS, 'mariadb-hangs', 'mariadb-killed'] as const
type Outage = (typeof OUTAGES)[number]

const KNOWN = `known@${DOMAIN}`

function stranger(outage: Outage, client: ClientName): string {
  return `${outage}-${client}@${DOMAIN}`
}

const USERS = [KNOWN, ...OUTAGES.flatMap((outage) => CLIENTS.map((client) => stranger(outage, client)))]

/** Why a login fails, as the log has it for the operator. */
const WHY: Readonly<Record<Outage, string>> = {
  stopped: 'directory_down',
  slow: 'directory_down',
  dripping: 'directory_down',
  silent: 'directory_down',
  failing: 'directory_down',
  refusing: 'directory_refuses_us',
  html: 'directory_garbage',
  half: 'directory_garbage',
  'mariadb-hangs': 'store_down',
  'mariadb-killed': 'store_down',
}

/** Outages that leave look-ups or statements behind which have not failed yet. */
const HANGING: ReadonlySet<Outage> = new Set(['slow', 'dripping', 'silent', 'mariadb-hangs'])

/** Asks until `isSo`; throws with the last answer when it is not so within a minute. */
async function until<T>(ask: () => Promise<T> | T, isSo: (answer: T) => boolean): Promise<T> {
  const last = Date.now() + WAIT_MS
  for (;;) {
    const answer = await ask()
    if (isSo(answer)) return answer
    if (Date.now() > last) throw new Error(`never came: last ${JSON.stringify(answer)}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** All clients at once, each with its user. */
async function everybody(
  logins: Logins,
  userOf: (client: ClientName) => string,
): Promise<(readonly [ClientName, string])[]> {
  return await Promise.all(
    CLIENTS.map(async (client) => [client, await logins[client](userOf(client))] as const),
  )
}

/** Lines of the login log about these users, waited for until there are as many as clients. */
async function loginLines(
  daemon: RunningDaemon,
  from: number,
  prefix: string,
): Promise<Record<string, unknown>[]> {
  const about = (line: Record<string, unknown>): boolean =>
    line['event'] === 'login' && String(line['mailbox'] ?? line['name']).startsWith(prefix)
  return await until(
    () => daemon.lines().slice(from).filter(about),
    (lines) => lines.length >= CLIENTS.length,
  )
}

/** The answer of /readyz in one line, such as `200 directory_down`. */
async function readyz(daemon: RunningDaemon): Promise<string> {
  const response = await fetch(`${daemon.adminUrl}/readyz`, { headers: { authorization: `Bearer ${TOKEN}` } })
  const { degraded } = parseJsonObject(await response.text())
  return [response.status, ...(Array.isArray(degraded) ? degraded : ['?'])].join(' ')
}

/** The users of an outage are put off by every client, the log says why, and no row is written. */
async function strangersArePutOff(t: Test, { logins, daemon }: Way, outage: Outage): Promise<void> {
  const from = daemon.lines().length
  for (const [client, answer] of await everybody(logins, (client) => stranger(outage, client))) {
    t.match(answer, LATER[client], `${client} is put off`)
  }
  const lines = await loginLines(daemon, from, `${outage}-`)
  t.strictSame(
    lines.map((line) => line['why']),
    CLIENTS.map(() => WHY[outage]),
    'mailpassd is asked once by each, and the log says why',
  )
}

/**
 * The same users, over the same servers: none was restarted. They may be put off by look-ups and statements that hang
 * from before, but not refused; where none can hang, the first try succeeds.
 */
async function strangersGetIn(t: Test, way: Way, outage: Outage): Promise<void> {
  const { logins } = way
  await Promise.all(
    CLIENTS.map(async (client) => {
      const answers: string[] = []
      await until(
        async () => {
          const answer = await logins[client](stranger(outage, client))
          answers.push(answer)
          return answer
        },
        (answer) => !LATER[client].test(answer),
      )
      t.match(answers.at(-1), GOOD[client], `${client} afterwards`)
      if (!HANGING.has(outage)) t.equal(answers.length, 1, `${client}: at the first try`)
    }),
  )
  await untilReady(way)
  t.pass('/readyz misses nothing')
}

/** By a known user's look-up, whose record is out of date after a second. */
async function untilReady({ logins, daemon }: Way): Promise<void> {
  await until(
    async () => {
      await logins.http(KNOWN)
      return await readyz(daemon)
    },
    (answer) => answer === '200',
  )
}

/** Design rule 2: a record past its time, but younger than five minutes, serves when the directory does not. */
async function knownUserGetsIn(t: Test, { logins, daemon }: Way): Promise<void> {
  const from = daemon.lines().length
  for (const [client, answer] of await everybody(logins, () => KNOWN)) {
    t.match(answer, GOOD[client], `${client}: a user known before`)
  }
  const ages = (await loginLines(daemon, from, KNOWN)).map((line) => Number(line['record_age_ms']))
  t.ok(
    ages.every((ageMs) => ageMs > FRESH_SECONDS * 1000),
    `by a record past its time: ${ages.join(', ')} ms`,
  )
}

async function keycloakOutage(t: Test, way: Way, fault: HttpFault): Promise<void> {
  const { proxy, daemon, logins } = way
  t.match(await logins.http(KNOWN), GOOD.http, 'a user logs in before')
  const before = await rowCounts(way)
  await proxy.set(fault)
  await strangersArePutOff(t, way, fault)
  t.ok(fault === 'stopped' || proxy.requests() > 0, 'by what the proxy did')
  await knownUserGetsIn(t, way)
  t.equal(await rowCounts(way), before, 'nothing is written')
  t.equal(await readyz(daemon), '200 directory_down', '/readyz says so, and that known users log in')
  if (fault === 'slow') {
    await until(
      () => logins.http(stranger(fault, 'http')),
      (answer) => GOOD.http.test(answer),
    )
    t.pass('who comes again finds the late answer')
  }
  await proxy.set(undefined)
  // Down, it finds out by itself within a second; what was slow once is so until the next look-up.
  await untilReady(way)
  await strangersGetIn(t, way, fault)
}

async function mariadbOutage(
  t: Test,
  way: Way,
  outage: Outage,
  turn: { readonly off: () => Promise<void> | void; readonly on: () => Promise<void> | void },
): Promise<void> {
  const before = await rowCounts(way)
  t.match(await way.logins.http(KNOWN), GOOD.http, 'a user logs in before')
  await turn.off()
  await strangersArePutOff(t, way, outage)
  t.match(await readyz(way.daemon), /^200 .*store_down/, '/readyz says so, and that known rows serve')
  t.match(await way.logins.http(KNOWN), GOOD.http, 'who was known a moment ago gets in')
  await turn.on()
  t.equal(await rowCounts(way), before, 'nothing is written')
  await strangersGetIn(t, way, outage)
}

suite('outages', WAY_NEEDS, async (t) => {
  const way = await startWay(t, { domain: DOMAIN, users: USERS, freshSeconds: FRESH_SECONDS })
  const { mariadb } = way
  for (const fault of HTTP_FAULTS) await t.test(`Keycloak: ${fault}`, (t) => keycloakOutage(t, way, fault))
  await t.test('MariaDB: hangs', (t) =>
    mariadbOutage(t, way, 'mariadb-hangs', {
      off: () => mariadb.server().pause(),
      on: () => mariadb.server().resume(),
    }),
  )
  await t.test('MariaDB: killed, and started again', (t) =>
    mariadbOutage(t, way, 'mariadb-killed', { off: () => mariadb.server().kill(), on: mariadb.restart }),
  )
})
