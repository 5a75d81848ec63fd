/**
 * `npm run bench:start [-- RUNS]`: what a start costs. From the start of the process (`mailpassd serve` on an empty data
 * directory) to the first answer of /healthz and to the first good login, and the resident memory of the idle daemon.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { accepts, freePorts } from '../test/servers/ports.ts'

const MAILPASSD = join(import.meta.dirname, '../mailpassd')
const GIVE_UP_MS = 30_000
/** Long enough for what starts late (caches, collections) to be over. */
const IDLE_MS = 5000

interface Figures {
  readonly servingMs: number
  readonly firstLoginMs: number
  readonly idleMib: number
}

async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1024
}

/** Waits until the port takes connections. Cheap, so that waiting does not slow down what is waited for. */
async function untilOpen(port: number): Promise<void> {
  const startedAtMs = performance.now()
  while (!(await accepts(port))) {
    if (performance.now() - startedAtMs > GIVE_UP_MS) throw new Error(`nothing listens on port ${port}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function login(port: number, dataDir: string): Promise<void> {
  const [token, password] = await Promise.all(
    ['token', 'demo-password'].map(async (file) => (await readFile(join(dataDir, file), 'utf8')).trim()),
  )
  const response = await fetch(`http://127.0.0.1:${port}/v1/login`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'demo@example.org', password, service: 'imap' }),
  })
  if (response.status !== 200) throw new Error(`the login was answered with ${response.status}`)
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

async function measure(): Promise<Figures> {
  const dataDir = await mkdtemp(join(tmpdir(), 'mailpassd-bench-'))
  const [http = 0, sasl = 0, admin = 0] = await freePorts(3)
  const listen = Object.entries({ http, sasl, admin }).flatMap(([door, port]) => [
    `--${door}`,
    `127.0.0.1:${port}`,
  ])
  const startedAtMs = performance.now()
  const child = spawn(MAILPASSD, ['serve', '--data-dir', dataDir, ...listen], { stdio: 'ignore' })
  try {
    await untilOpen(admin)
    await fetch(`http://127.0.0.1:${admin}/healthz`)
    const servingMs = performance.now() - startedAtMs
    await login(http, dataDir)
    const firstLoginMs = performance.now() - startedAtMs
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
    return { servingMs, firstLoginMs, idleMib: await residentMib(child.pid ?? 0) }
  } finally {
    await stop(child)
    await rm(dataDir, { recursive: true, force: true })
  }
}

function row(name: string, values: readonly number[], digits: number): string {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) =>
    (sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN).toFixed(digits).padStart(8)
  return `${name.padEnd(34)}${at(0)}${at(0.5)}${at(1)}`
}

const runs = Number(process.argv[2] ?? 5)
if (!Number.isInteger(runs) || runs < 1 || runs > 100) {
  console.error('usage: npm run bench:start [-- RUNS]    RUNS from 1 to 100, default 5')
  process.exit(64)
}
const figures: Figures[] = []
// Not counted: the first request of this process loads its own HTTP client.
await measure()
for (let i = 0; i < runs; i += 1) {
  figures.push(await measure())
  if (process.stderr.isTTY) process.stderr.write(`\r${i + 1} of ${runs}`)
}
if (process.stderr.isTTY) process.stderr.write('\n')
console.log(`${runs} starts, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'})`)
console.log(`${''.padEnd(34)}${'min'.padStart(8)}${'median'.padStart(8)}${'max'.padStart(8)}`)
console.log(
  row(
    'process start to serving, ms',
    figures.map((run) => run.servingMs),
    0,
  ),
)
console.log(
  row(
    'process start to first login, ms',
    figures.map((run) => run.firstLoginMs),
    0,
  ),
)
console.log(
  row(
    'idle resident memory, MiB',
    figures.map((run) => run.idleMib),
    1,
  ),
)
