/**
 * Records of the directory by number: what they take of memory, how long one look-up takes, how long a pass over a
 * server of pages and the reading of a snapshot take, and what both do to the event loop. Each size in a process of its
 * own, with a heap no larger than `--heap` MiB where one is given.
 *
 *   node bench/records.ts [1000 10000 100000] [--heap MIB]
 */
import { spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { RecordBook } from '../src/account/record-book.ts'
import { systemClock } from '../src/clock.ts'
import { createKeycloakDirectory } from '../src/directory/keycloak/directory.ts'
import { Mirror } from '../src/mirror/mirror.ts'
import { RecordKey } from '../src/mirror/record-key.ts'
import { Snapshot } from '../src/mirror/snapshot.ts'
import { openStore } from '../src/store/database.ts'
import { silentLogger } from '../src/telemetry/logger.ts'

const DOMAIN = 'example.org'

function userJson(place: number): string {
  const digits = String(place).padStart(12, '0')
  return JSON.stringify({
    id: `c32cac83-83c2-4d51-b273-${digits}`,
    username: `user${digits}`,
    firstName: `First${place % 1000}`,
    lastName: `Last${place % 5000}`,
    email: `user${digits}@${DOMAIN}`,
    emailVerified: true,
    attributes: {
      mailcow_template: ['Default'],
      mailcow_password: [`{BLF-CRYPT}$2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRST${digits}`],
    },
    enabled: true,
    createdTimestamp: 1_795_536_778_959,
    totp: false,
    disableableCredentialTypes: [],
    requiredActions: [],
    notBefore: 0,
    access: { manage: true },
  })
}

/** A server of pages in a thread of its own: what it takes is not the daemon's. */
async function serve(count: number): Promise<void> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://x')
    response.setHeader('content-type', 'application/json')
    if (url.pathname.endsWith('/token')) response.end('{"access_token":"t","expires_in":300}')
    else if (url.pathname.endsWith('/users/count')) response.end(String(count))
    else if (url.pathname.endsWith('/users/profile'))
      response.end(
        '{"attributes":[{"name":"mailcow_password","permissions":{"view":["admin"],"edit":["admin"]}}]}',
      )
    else if (url.pathname.endsWith('/users')) {
      const first = Number(url.searchParams.get('first'))
      const max = Math.max(0, Math.min(Number(url.searchParams.get('max')), count - first))
      response.end(`[${Array.from({ length: max }, (_, index) => userJson(first + index)).join(',')}]`)
    } else response.end('{"realm":"r","registrationAllowed":false}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  // The list is empty: nothing is handed over.
  parentPort?.postMessage(port, [])
}

function collect(): void {
  setFlagsFromString('--expose-gc')
  const gc: unknown = runInNewContext('gc')
  if (typeof gc === 'function') gc()
}

const mib = (bytes: number) => (bytes / 1024 / 1024).toFixed(1)

async function measure(count: number): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), { workerData: count })
  const [port]: unknown[] = await once(worker, 'message')
  const directory = createKeycloakDirectory(
    {
      server_url: `http://127.0.0.1:${String(port)}`,
      realm: 'r',
      client_id: 'c',
      client_secret: 's',
      connections: 4,
      tls: { insecure: false },
      password_attribute: 'mailcow_password',
      template_attribute: 'mailcow_template',
    },
    { clock: systemClock, logger: silentLogger },
  )
  const dataDir = mkdtempSync(join(tmpdir(), 'mailpassd-records-'))
  const store = await openStore(
    {
      kind: 'sqlite',
      schema: 'standalone',
      path: 'records.sqlite',
      host: '',
      port: 1,
      database: '',
      user: '',
      connections: 1,
      timeout_ms: 3000,
      fresh_seconds: 2,
      dataDir,
    },
    { clock: systemClock, logger: silentLogger },
  )
  await store.ready()
  collect()
  const before = process.memoryUsage()
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const book = new RecordBook(count + 1000)
  const common = { book, hostedDomains: async () => [DOMAIN], clock: systemClock, logger: silentLogger }
  // It hears of every record from here on; it writes when it is started.
  const key = new RecordKey(Buffer.alloc(32, 1))
  const parts = { ...common, rows: store.records, key, outageMs: 86_400_000 }
  const writer = new Snapshot(parts)
  const mirror = new Mirror({
    ...common,
    directory: {
      count: () => directory.count(),
      page: (wish) => directory.page(wish),
      findByEmail: (email) => directory.findByEmail(email),
      findById: (id) => directory.findById(id),
      profile: () => directory.profile(),
      downBy: () => undefined,
    },
    everyMs: undefined,
    // As fast as it goes: the pace of 20 calls a second is a wait.
    pace: { turn: () => Promise.resolve() },
  })
  const wait = async (isOver: () => boolean) => {
    while (!isOver()) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  delay.enable()
  let startedAt = performance.now()
  mirror.passNow()
  await wait(() => !mirror.state().isActive)
  const passMs = performance.now() - startedAt
  const passDelayMs = delay.percentile(99) / 1e6
  const passMaxMs = delay.max / 1e6
  const { last } = mirror.state()
  collect()
  const after = process.memoryUsage()
  const emails = Array.from({ length: 1000 }, (_, index) => {
    const place = Math.floor((index * count) / 1000)
    return `user${String(place).padStart(12, '0')}@${DOMAIN}`
  })
  for (const email of emails) book.find(email)
  startedAt = performance.now()
  for (let round = 0; round < 100; round++) for (const email of emails) book.find(email)
  const lookupNs = ((performance.now() - startedAt) / 100_000) * 1e6

  startedAt = performance.now()
  delay.reset()
  writer.start()
  await wait(() => writer.state().pending === 0 && writer.state().written > 0)
  const writeMs = performance.now() - startedAt - 3000
  const writeDelayMs = delay.percentile(99) / 1e6
  await writer.stop()
  const copy = new RecordBook(count + 1000)
  const reader = new Snapshot({ ...parts, book: copy })
  delay.reset()
  startedAt = performance.now()
  reader.start()
  await wait(() => !reader.state().isLoading)
  const loadMs = performance.now() - startedAt
  const loadDelayMs = delay.percentile(99) / 1e6
  await reader.stop()
  const perRecord = (after.heapUsed - before.heapUsed) / count
  console.log(
    [
      count,
      last?.result,
      mib(after.heapUsed - before.heapUsed),
      mib(after.rss - before.rss),
      Math.round(perRecord),
      Math.round(lookupNs),
      `${(passMs / 1000).toFixed(1)} s, p99 ${passDelayMs.toFixed(1)}, max ${passMaxMs.toFixed(0)} ms`,
      `${(writeMs / 1000).toFixed(1)} s, p99 ${writeDelayMs.toFixed(1)} ms`,
      `${copy.size} in ${(loadMs / 1000).toFixed(1)} s, p99 ${loadDelayMs.toFixed(1)} ms`,
    ].join(' | '),
  )
  await directory.close()
  await store.close()
  rmSync(dataDir, { recursive: true })
  await worker.terminate()
}

if (!isMainThread) await serve(Number(workerData))
else if (process.argv[2] === '--one') await measure(Number(process.argv[3]))
else {
  const heapAt = process.argv.indexOf('--heap')
  const heap = heapAt < 0 ? [] : [`--max-old-space-size=${process.argv[heapAt + 1]}`]
  const sizes = process.argv.slice(2, heapAt < 0 ? undefined : heapAt).map(Number)
  console.log(
    'users | pass | heap MiB | resident MiB | bytes/record | look-up ns | pass | snapshot written | snapshot read',
  )
  for (const size of sizes.length > 0 ? sizes : [1000, 10_000, 100_000])
    spawnSync(process.execPath, [...heap, import.meta.filename, '--one', String(size)], { stdio: 'inherit' })
}
