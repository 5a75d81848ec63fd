/**
 * A SASL listener in a process of its own, so that its memory can be measured: started by listener-child.ts.
 * It sends { address } when it listens, and answers the messages `rss` and { snapshot: path }.
 */
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeHeapSnapshot } from 'node:v8'
import { systemClock } from '../../../src/clock.ts'
import { listenSasl } from '../../../src/door/dovecot-auth/socket.ts'
import type { Outcome } from '../../../src/login/outcome.ts'
import type { LoginRequest } from '../../../src/login/request.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { fuzzed } from './fuzzed-login.ts'

/** As an account memory would: names that come in are kept, and must not keep anything else alive. */
const names = new Map<string, string | undefined>()
const MAX_NAMES = 1000

function login(request: LoginRequest): Outcome | Promise<Outcome> {
  if (names.size < MAX_NAMES) names.set(request.username, request.sessionId)
  const outcome = fuzzed(request)
  return request.username.startsWith('later')
    ? new Promise((resolve) => setImmediate(() => resolve(outcome)))
    : outcome
}

// A test runner that is given the whole folder runs this file too.
if (process.send === undefined || process.argv[2] !== 'listen') process.exit(0)

const listener = await listenSasl(
  { listen: '127.0.0.1:0', temp_fail: 'close', mode: '0600', networks: [] },
  { failure_delay_ms: 0, max_connections: Number(process.argv[3] ?? 1000), max_pending: 1000 },
  { login, clock: systemClock, logger: silentLogger, dataDir: tmpdir() },
)

/** Garbage of the young and the old generation, and what finalizers free after it. */
async function collect(): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc?.()
    await sleep(20)
  }
}

process.on('message', (message: unknown) => {
  void collect().then(() => {
    if (message === 'rss') process.send?.({ rss: process.memoryUsage.rss() })
    else if (typeof message === 'object' && message !== null && 'snapshot' in message) {
      process.send?.({ snapshot: writeHeapSnapshot(String(message.snapshot)) })
    }
  })
})
process.on('disconnect', () => process.exit(0))
process.send?.({ address: listener.address })
