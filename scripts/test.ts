/**
 * Runs the tests: starts one Keycloak and one MariaDB where they are installed, tells the suites where they are, runs
 * tap with the arguments given here, stops both, and says what was skipped for want of a server.
 *
 *   node scripts/test.ts [tap arguments]
 *
 * The last line is `N passed, N failed`, counted over all assertions. Exits with tap's code.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { defaultServersDir, keycloakInstalled, startKeycloak } from '../test/servers/keycloak.ts'
import { mariadbInstalled, startMariadb } from '../test/servers/mariadb.ts'
import { Totals } from './test-totals.ts'

const root = join(import.meta.dirname, '..')

interface Started {
  readonly env: Readonly<Record<string, string>>
  readonly stop: () => Promise<void>
}

interface Failed {
  readonly name: string
  readonly error: unknown
}

/** Both at once: Keycloak takes 6 s of one core, MariaDB 3 s. A server that does not start stops the run. */
async function startServers(workDir: string): Promise<Started> {
  const env: Record<string, string> = {}
  const stops: (() => Promise<void>)[] = []
  const failures: Failed[] = []
  // A variable that is set already names a server that somebody else keeps running.
  const start = async (name: string, run: () => Promise<[string, () => Promise<void>]>): Promise<void> => {
    if (process.env[name] !== undefined && process.env[name] !== '') return
    try {
      const [place, stop] = await run()
      env[name] = place
      stops.push(stop)
    } catch (error) {
      failures.push({ name, error })
    }
  }
  const starting: Promise<void>[] = []
  if (keycloakInstalled(defaultServersDir())) {
    starting.push(
      start('MAILPASSD_TEST_KEYCLOAK', async () => {
        const server = await startKeycloak({
          serversDir: defaultServersDir(),
          workDir: join(workDir, 'keycloak'),
        })
        return [server.url, () => server.stop()]
      }),
    )
  }
  if (mariadbInstalled()) {
    starting.push(
      start('MAILPASSD_TEST_MARIADB', async () => {
        const server = await startMariadb(join(workDir, 'mariadb'))
        return [server.socket, () => server.stop()]
      }),
    )
  }
  await Promise.all(starting)
  const stop = async (): Promise<void> => {
    await Promise.all(stops.map((each) => each()))
  }
  const [failure] = failures
  if (failure !== undefined) {
    await stop()
    throw new Error(`the server for ${failure.name} does not start`, { cause: failure.error })
  }
  return { env, stop }
}

/** Runs tap; its output passes through while it is counted. Gives its exit code. */
async function runTap(
  env: Readonly<Record<string, string>>,
  totals: Totals,
  signals: AbortSignal,
): Promise<number> {
  const tap = spawn(join(root, 'node_modules/.bin/tap'), ['--reporter=tap', ...process.argv.slice(2)], {
    cwd: root,
    // The Node of node_modules runs the tests, whatever `node` is in PATH.
    env: { ...process.env, ...env, PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}` },
    stdio: ['inherit', 'pipe', 'inherit'],
  })
  const onAbort = (): void => void tap.kill('SIGINT')
  signals.addEventListener('abort', onAbort)
  createInterface({ input: tap.stdout }).on('line', (line) => {
    const shown = totals.read(line)
    if (shown !== undefined) console.log(shown)
  })
  const [code]: unknown[] = await once(tap, 'close')
  signals.removeEventListener('abort', onAbort)
  return typeof code === 'number' ? code : 1
}

async function main(): Promise<number> {
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())
  const workDir = await mkdtemp(join(tmpdir(), 'mailpassd-run-'))
  const totals = new Totals()
  try {
    const servers = await startServers(workDir)
    try {
      if (interrupted.signal.aborted) return 130
      const code = await runTap(servers.env, totals, interrupted.signal)
      for (const reason of totals.skipped) console.log(`skipped: ${reason}`)
      if (totals.skipped.size > 0)
        console.log('`npm run servers` (as root, Debian 12) installs what they need.')
      console.log(`${totals.passed} passed, ${totals.failed} failed`)
      return code === 0 && totals.failed > 0 ? 1 : code
    } finally {
      await servers.stop()
    }
  } finally {
    await rm(workDir, { recursive: true, force: true })
  }
}

process.exitCode = await main()
