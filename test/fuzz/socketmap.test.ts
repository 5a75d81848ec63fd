/**
 * Mutated socketmap requests on many connections of a listener, for FUZZ_SECONDS (10; `npm run fuzz`: 60). What comes
 * back is compared with the session run without a socket on the same bytes.
 */
import { tmpdir } from 'node:os'
import t from 'tap'
import type { LookupMap } from '../../src/account/maps/lookup.ts'
import { systemClock } from '../../src/clock.ts'
import { listenSocketmap } from '../../src/door/socketmap/socket.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { SocketClient } from '../door/dovecot-auth/socket-client.ts'
import { answerTo, MapRig, netstring } from '../door/socketmap/rig.ts'
import { mutate, Random } from './mutate.ts'

const seconds = Number(process.env['FUZZ_SECONDS'] ?? '10')
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 4_294_967_296)
const CLIENTS = 8
const MAP = 'virtual-alias'
/** A key that mutations do not come upon; its answer says that all before it was read. */
const LAST = 'the-last-one-4711'

const ask = (key: string, map = MAP): string => netstring(`${map} ${key}`)

const corpus = [
  ask('jane@example.org') + ask('absent@example.org') + ask('down@example.org'),
  Array.from({ length: 300 }, (_, index) => ask(`key${index}`)).join(''),
  ask('x'.repeat(9000)) + ask('absent'),
  netstring('') + netstring(' ') + netstring(MAP) + ask('key', 'no-such-map') + ask(''),
  `${ask('one')}10001:${ask('two')}`,
  ask('b\u00fcro@example.org') + ask('\u00ff\u0000\u0001'),
]

const lookup: LookupMap = async (key) => {
  if (key.length % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
  const answer = answerTo({ map: MAP, key })
  return answer === 'later' ? { kind: 'absent' } : answer
}

/** PERM has another text in the rig. */
function withoutReasons(text: string): string {
  return text.replace(/\d+:PERM [^,]*(?:, [^,]*)*,/g, '<PERM>')
}

/** One connection; gives what is wrong with what came back, or undefined. */
async function converse(address: string, random: Random): Promise<string | undefined> {
  const text = mutate(random.pick(corpus), corpus, random).replaceAll('later', 'sooner') + ask(LAST)
  const rig = new MapRig({ maxPending: 100_000, map: MAP })
  rig.send(text)
  const expected = withoutReasons(rig.output)

  const client = await SocketClient.open(address)
  try {
    for (let at = 0; at < text.length;) {
      const size = random.chance(0.3) ? random.below(10) + 1 : random.below(20_000) + 1
      client.send(text.slice(at, at + size))
      at += size
      if (random.chance(0.1)) await new Promise((resolve) => setImmediate(resolve))
      if (random.chance(0.005)) return undefined
    }
    // What mutations left unfinished takes the last request in; nothing more is said of it.
    const isWhole = rig.output.endsWith(`OK ${LAST},`)
    if (rig.closed !== undefined) await client.until(() => client.isClosed)
    else if (isWhole) await client.until(() => client.text.endsWith(`OK ${LAST},`) || client.isClosed)
    else await client.until(() => withoutReasons(client.text).length >= expected.length || client.isClosed)
    const found = withoutReasons(client.text)
    // Garbage ends a connection at once, and what was not answered by then is lost.
    const isEqual = rig.closed === undefined ? found === expected : expected.startsWith(found)
    return isEqual ? undefined : `not as without a socket: ${JSON.stringify({ text, found, expected })}`
  } finally {
    client.destroy()
  }
}

t.test(`fuzzing for ${seconds} s, seed ${seed}`, { timeout: (seconds + 120) * 1000 }, async (t) => {
  const listener = await listenSocketmap(
    { listen: '127.0.0.1:0', mode: '0600' },
    { max_connections: 1000, max_pending: 50, recipient_delimiter: '+' },
    {
      maps: new Map([[MAP, lookup]]),
      answered: () => {},
      clock: systemClock,
      logger: silentLogger,
      dataDir: tmpdir(),
    },
  )
  t.teardown(() => listener.close(0))
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
  await Promise.all(clients)
  t.comment(`${conversations} connections`)
  t.same(wrong, [])
  const client = await SocketClient.open(listener.address)
  client.send(ask('jane@example.org'))
  await client.seen('OK jane@example.org,')
  client.destroy()
})
