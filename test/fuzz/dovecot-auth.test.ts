/**
 * Mutated transcripts on many connections of a listener in another process, for FUZZ_SECONDS (10; `npm run fuzz`: 60).
 * What comes back is compared with the session run without a socket on the same bytes, and memory must not grow.
 */
import t from 'tap'
import { auth, cont, hello, parseServerLine, plainLogin } from '../door/dovecot-auth/client.ts'
import { fuzzed } from '../door/dovecot-auth/fuzzed-login.ts'
import { startListener } from '../door/dovecot-auth/listener-child.ts'
import { Rig } from '../door/dovecot-auth/rig.ts'
import { SocketClient } from '../door/dovecot-auth/socket-client.ts'
import { TRANSCRIPTS } from '../door/dovecot-auth/transcripts.ts'
import { mutate, Random } from './mutate.ts'

const seconds = Number(process.env['FUZZ_SECONDS'] ?? '10')
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 4_294_967_296)
const CLIENTS = 16
/** An id that mutations do not come upon; its answer says that all before it was read. */
const LAST = 3_999_999_999

/**
 * What V8 and the allocator take in their first seconds is no growth. After 10 s that is over, and 1.1 is the bound; a
 * short run measures after 3 s and allows for the rest of it (measured: 1.02).
 */
const warmUpSeconds = seconds >= 60 ? 10 : 3
/** On a busy machine 3 s are not enough work. */
const WARM_UP_CONNECTIONS = 8000
const MAX_GROWTH = seconds >= 60 ? 1.1 : 1.25

const corpus = [
  ...TRANSCRIPTS.map((transcript) => transcript.client),
  hello() + Array.from({ length: 40 }, (_, id) => plainLogin(id + 1, 'joe@example.org', 'secret')).join(''),
  hello() + plainLogin(1, 'down@example.org', 'x') + plainLogin(2, 'joe@example.org', 'secret'),
  hello() + plainLogin(1, 'later@example.org', 'x') + auth(2, 'LOGIN') + cont(1, 'AAAA') + 'CANCEL\t1\n',
  hello(0) + Array.from({ length: 20 }, (_, id) => plainLogin(id + 1, `later${id}`, 'x')).join(''),
]

/** Lines that no AUTH or CONT of their id accounts for: at most one line back for each. */
function surplus(client: string, server: readonly string[]): string[] {
  const owed = new Map<number, number>()
  for (const line of client.split('\n')) {
    const match = /^(?:AUTH|CONT)\t([0-9]+)\t/.exec(line)
    if (match !== null) owed.set(Number(match[1]), (owed.get(Number(match[1])) ?? 0) + 1)
  }
  return server.filter((line) => {
    const id = parseServerLine(line)?.id
    const left = id === undefined ? -1 : (owed.get(id) ?? 0) - 1
    if (id !== undefined) owed.set(id, left)
    return left < 0
  })
}

/** One connection; gives what is wrong with what came back, or undefined. */
async function converse(address: string, random: Random): Promise<string | undefined> {
  const text = `${mutate(random.pick(corpus), corpus, random)}\n${cont(LAST, '')}`
  const rig = new Rig({ login: fuzzed, tempFail: 'close' })
  rig.send(text)
  const expected = Buffer.from(rig.output, 'utf8').toString('latin1')

  const client = await SocketClient.open(address)
  try {
    for (let at = 0; at < text.length;) {
      const size = random.chance(0.3) ? random.below(10) + 1 : random.below(20_000) + 1
      client.send(text.slice(at, at + size))
      at += size
      if (random.chance(0.1)) await new Promise((resolve) => setImmediate(resolve))
      if (random.chance(0.005)) return undefined
    }
    const isLater = rig.requests.some((request) => request.username.startsWith('later'))
    if (isLater || rig.closed === undefined) {
      await client.until(() => client.isClosed || client.text.includes(`FAIL\t${LAST}\t`))
    } else await client.until(() => client.isClosed)
    const found = client.afterHandshake()
    const lines = found.split('\n').slice(0, -1)
    if (surplus(text, lines).length > 0)
      return `more than one line for an id: ${JSON.stringify({ text, found })}`
    // A dropped connection may take its last answers with it (TCP reset: we had not read all it sent).
    const isEqual = rig.closed === undefined ? found === expected : expected.startsWith(found)
    return isLater || isEqual
      ? undefined
      : `not as without a socket: ${JSON.stringify({ text, found, expected })}`
  } finally {
    client.destroy()
  }
}

t.test(`fuzzing for ${seconds} s, seed ${seed}`, { timeout: (seconds + 120) * 1000 }, async (t) => {
  const listener = await startListener()
  t.teardown(() => listener.stop())
  const endAtMs = Date.now() + seconds * 1000
  const wrong: string[] = []
  let conversations = 0
  const clients = Array.from({ length: CLIENTS }, async (_, index) => {
    const random = new Random(seed + index)
    while (Date.now() < endAtMs && wrong.length === 0) {
      const found = await converse(listener.address, random)
      if (found !== undefined) wrong.push(found)
      conversations += 1
    }
  })
  const isWarm = (afterMs: number): boolean =>
    afterMs > seconds * 700 || (afterMs > warmUpSeconds * 1000 && conversations > WARM_UP_CONNECTIONS)
  for (const startMs = Date.now(); !isWarm(Date.now() - startMs);) {
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const warmBytes = await listener.rss()
  await Promise.all(clients)
  const endBytes = await listener.rss()
  const growth = endBytes / warmBytes
  t.comment(
    `${conversations} connections, ${Math.round(warmBytes / 1e6)} -> ${Math.round(endBytes / 1e6)} MB`,
  )
  t.same(wrong, [])
  t.ok(growth <= MAX_GROWTH, `memory grew ${growth.toFixed(3)} times`)

  const client = await SocketClient.open(listener.address)
  client.send(hello() + plainLogin(1, 'joe@example.org', 'secret'))
  await client.seen('OK\t1\tuser=joe@example.org\n')
  client.destroy()
})
