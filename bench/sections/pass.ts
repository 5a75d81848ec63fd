/**
 * A mirror pass: every user of the realm is read, checked, and put into the book of records. Beside it the same pages read by
 * the HTTP client and JSON.parse alone. The far side is a server that has its pages ready (page-server.ts).
 */
import { join } from 'node:path'
import { Pool } from 'undici'
import { RecordBook } from '../../src/account/record-book.ts'
import { systemClock } from '../../src/clock.ts'
import { createKeycloakDirectory } from '../../src/directory/keycloak/directory.ts'
import { Pass } from '../../src/directory/pass.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { profile } from '../../test/fakes/accounts.ts'
import { startChild } from '../../test/servers/child.ts'
import { figuresOf, interleave, type Bench, type Section } from '../bench.ts'
import { median } from '../figures.ts'
import { digits, timeText, type Line } from '../line.ts'
import type { Teardown } from '../teardown.ts'

const SIZES = [1000, 10_000, 100_000] as const
const PAGE_SIZE = 500

interface Reading {
  readonly ms: number
  /** Of this process: the far side is another one. */
  readonly cpuMs: number
}

async function timed(read: () => Promise<number>, expected: number): Promise<Reading> {
  const before = process.cpuUsage()
  const startedAtMs = performance.now()
  const users = await read()
  const ms = performance.now() - startedAtMs
  const { user, system } = process.cpuUsage(before)
  if (users !== expected) throw new Error(`${users} of ${expected} users were read`)
  return { ms, cpuMs: (user + system) / 1000 }
}

async function startPages(teardown: Teardown, count: number): Promise<string> {
  const child = startChild(process.execPath, [join(import.meta.dirname, '../page-server.ts'), String(count)])
  teardown.teardown(() => child.stop())
  const port = () => /ready (\d+)/.exec(child.output())?.[1]
  await child.until(() => port() !== undefined)
  return `http://127.0.0.1:${port()}`
}

/** A whole pass into an empty book. */
async function byPass(url: string, count: number): Promise<number> {
  const directory = createKeycloakDirectory(
    {
      server_url: url,
      realm: 'bench',
      client_id: 'bench',
      client_secret: 'bench',
      tls: { insecure: false },
      connections: 2,
      password_attribute: 'mailcow_password',
      template_attribute: 'mailcow_template',
    },
    { clock: systemClock, logger: silentLogger },
  )
  const book = new RecordBook(count)
  const pass = new Pass({
    directory,
    clock: systemClock,
    // As fast as it goes: what it costs is asked, not how it spares Keycloak.
    pace: { turn: async () => {} },
    take: (entries, atMs) => {
      for (const entry of entries) {
        if (entry.kind !== 'user') throw new Error(entry.reason)
        const { user } = entry
        book.put(user.email, { kind: 'record', lookup: { kind: 'found', user }, profile, atMs })
      }
    },
  })
  try {
    const { incomplete } = await pass.run()
    if (incomplete !== undefined) throw new Error(`the pass is incomplete: ${incomplete}`)
    return book.size
  } finally {
    await directory.close()
  }
}

async function byHand(pool: Pool): Promise<number> {
  for (let users = 0; ;) {
    const path = `/admin/realms/bench/users?first=${users}&max=${PAGE_SIZE}&briefRepresentation=false`
    const { body } = await pool.request({ method: 'GET', path })
    const page: unknown = await body.json()
    if (!Array.isArray(page)) throw new Error('not a page')
    if (page.length === 0) return users
    users += page.length
  }
}

async function measureSize(bench: Bench, teardown: Teardown, count: number): Promise<Line> {
  const url = await startPages(teardown, count)
  const pool = new Pool(url, { connections: 1 })
  teardown.teardown(() => pool.close())
  const found = await interleave(
    bench,
    `pass over ${digits(count)} users`,
    new Map([
      ['mailpassd', () => timed(() => byPass(url, count), count)],
      ['by hand', () => timed(() => byHand(pool), count)],
    ]),
  )
  const ours = figuresOf(found, 'mailpassd')
  const theirs = figuresOf(found, 'by hand')
  const text = (all: readonly Reading[]) =>
    `${timeText(median(all.map(({ ms }) => ms)) * 1000)}, ${timeText(median(all.map(({ cpuMs }) => cpuMs)) * 1000)} CPU`
  return {
    section: 'pass',
    what: `mirror pass, ${digits(count)} users`,
    ours: text(ours),
    other: `pages alone: ${text(theirs)}`,
    result: median(ours.map(({ ms }, round) => ms / (theirs[round]?.ms ?? Number.NaN))),
    unit: 'x',
  }
}

async function run(bench: Bench, teardown: Teardown): Promise<readonly Line[]> {
  const lines: Line[] = []
  for (const count of SIZES) lines.push(await measureSize(bench, teardown, count))
  return lines
}

export const pass: Section = {
  name: 'pass',
  about: 'complete readings of the directory into memory, beside reading the pages alone',
  run,
}
