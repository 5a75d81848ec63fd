/**
 * A process with an auth door, whose heap a test looks into. Prints its address; on a line on stdin it writes a heap
 * snapshot to the file named there and says so.
 */
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString, writeHeapSnapshot } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createAuthApp } from '../../../src/door/http/auth-app.ts'
import { listenHttp } from '../../../src/door/http/listen.ts'
import { systemClock } from '../../../src/clock.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { outcomeOf, tokens } from './fixtures.ts'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

let logins = 0
const app = createAuthApp({
  // Half of them at once, half of them later, as warm and cold logins do.
  login: (request) => {
    logins += 1
    const outcome = outcomeOf(request.secret.byteLength % 3 === 0 ? 'verified' : 'hash_differs')
    return logins % 2 === 0 ? outcome : delay(5).then(() => outcome)
  },
  userdb: async () => ({ kind: 'absent' }),
  authPolicy: { allow: () => true, report: () => {} },
  tokens: tokens(),
  compatNetworks: [],
  sogoNetworks: [],
  clock: systemClock,
  logger: silentLogger,
})
const listener = await listenHttp(app, ['127.0.0.1:0'], '/', '0600')
process.stdout.write(`${listener.addresses[0]}\n`)

const lines = createInterface({ input: process.stdin })
for await (const path of lines) {
  for (let round = 0; round < 3; round += 1) {
    await delay(20)
    collect()
  }
  writeHeapSnapshot(path)
  process.stdout.write(`${logins} logins\n`)
}
await listener.close()
