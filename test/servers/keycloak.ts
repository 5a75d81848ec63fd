/**
 * A real Keycloak for tests, in memory, on a free port of 127.0.0.1. One serves a whole test run: suites find
 * it by MAILPASSD_TEST_KEYCLOAK and make a realm each (keycloak-realm.ts).
 *
 *   node test/servers/keycloak.ts     starts one, prints the variable to set, runs until it is interrupted
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { KEYCLOAK_ADMIN } from './keycloak-realm.ts'

export { keycloakForTests } from './keycloak-realm.ts'
export type { RealmWish, TestKeycloak, TestRealm, TestUser } from './keycloak-realm.ts'

const VERSION = '26.7.3'
/** A JVM on two busy cores: 6 s when idle. */
const START_LIMIT_MS = 180_000
const STOP_LIMIT_MS = 20_000
const KEPT_LOG_LINES = 60

export interface KeycloakServer {
  /** Base URL without a trailing slash. */
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

export interface KeycloakPlaces {
  /** Where `scripts/servers` puts the servers: holds the distribution's zip, or what came of it. */
  readonly serversDir: string
  /** For what this one process writes; the caller removes it afterwards. */
  readonly workDir: string
  /** Default: a free one. */
  readonly port?: number
}

export function defaultServersDir(): string {
  return process.env['MAILPASSD_SERVERS_DIR'] ?? '/opt/mailpassd-servers'
}

/** Whether startKeycloak has something to start. */
export function keycloakInstalled(serversDir: string): boolean {
  return existsSync(join(serversDir, `keycloak-${VERSION}`)) || existsSync(zipPath(serversDir))
}

function zipPath(serversDir: string): string {
  return join(serversDir, `keycloak-quarkus-dist-${VERSION}.zip`)
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const output: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => output.push(text))
  }
  const code: unknown = (await once(child, 'close'))[0]
  if (code !== 0) throw new Error(`${command} ended with ${String(code)}: ${output.join('').slice(-2000)}`)
}

/**
 * Unpacks and builds the distribution once; later calls only look. Done in a directory of its own that is
 * renamed at the end, so that two runs at once or an interrupted one leave nothing half made.
 */
async function install(serversDir: string): Promise<string> {
  const home = join(serversDir, `keycloak-${VERSION}`)
  if (existsSync(home)) return home
  const partial = await mkdtemp(join(serversDir, '.keycloak-'))
  try {
    await run('unzip', ['-q', zipPath(serversDir), '-d', partial])
    const unpacked = join(partial, `keycloak-${VERSION}`)
    // Health on the main port: one port less to find. Local cache: no cluster traffic, no port 7800.
    await run(join(unpacked, 'bin/kc.sh'), [
      'build',
      '--db=dev-mem',
      '--cache=local',
      '--health-enabled=true',
      '--http-management-health-enabled=false',
    ])
    await rename(unpacked, home).catch((error: unknown) => {
      if (!existsSync(home)) throw error
    })
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
  return home
}

/**
 * Starts a Keycloak and waits until it answers. The port is chosen by the kernel and read from the log, so
 * that no other process can take it in between.
 */
export async function startKeycloak(places: KeycloakPlaces): Promise<KeycloakServer> {
  const home = await install(places.serversDir)
  await mkdir(join(places.workDir, 'tmp'), { recursive: true })
  const child = spawn(
    join(home, 'bin/kc.sh'),
    [
      'start',
      '--optimized',
      '--http-enabled=true',
      '--http-host=127.0.0.1',
      `--http-port=${places.port ?? 0}`,
      '--hostname-strict=false',
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        KC_BOOTSTRAP_ADMIN_USERNAME: KEYCLOAK_ADMIN.username,
        KC_BOOTSTRAP_ADMIN_PASSWORD: KEYCLOAK_ADMIN.password,
        JAVA_OPTS_APPEND: [
          '-Xmx1500m',
          `-Djava.io.tmpdir=${join(places.workDir, 'tmp')}`,
          `-Dquarkus.transaction-manager.object-store.directory=${join(places.workDir, 'transaction-logs')}`,
        ].join(' '),
      },
    },
  )
  const closed = once(child, 'close')
  try {
    const url = await listeningUrl(child)
    await untilReady(url)
    return { url, pid: child.pid ?? 0, stop: () => stop(child, closed) }
  } catch (error) {
    await stop(child, closed)
    throw error
  }
}

/** The URL from the start-up line; throws with the last lines of the log when the process ends or is too late. */
async function listeningUrl(child: ChildProcess): Promise<string> {
  const log: string[] = []
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue
    // Read to the end of its life: a full pipe would stop the server.
    createInterface({ input: stream }).on('line', (line) => {
      log.push(line)
      if (log.length > KEPT_LOG_LINES) log.shift()
      const url = /Listening on: (http:\/\/[^\s/]+)/.exec(line)?.[1]
      if (url !== undefined) resolve(url)
    })
  }
  const fail = (what: string) => reject(new Error(`${what}:\n${log.join('\n')}`))
  child.once('error', (error) => fail(`Keycloak cannot be started (${error.message})`))
  child.once('close', () => fail('Keycloak ended before it listened'))
  const timer = setTimeout(() => fail(`Keycloak did not listen within ${START_LIMIT_MS} ms`), START_LIMIT_MS)
  return promise.finally(() => clearTimeout(timer))
}

/** It accepts connections and says 503 for a while before it is ready. */
async function untilReady(url: string): Promise<void> {
  const until = Date.now() + START_LIMIT_MS
  for (;;) {
    const answer = await fetch(`${url}/health/ready`).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer?.status === 200) return
    if (Date.now() > until) throw new Error('Keycloak listens but does not become ready')
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

async function stop(child: ChildProcess, closed: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
  await closed
  clearTimeout(kill)
}

async function main(): Promise<void> {
  const workDir = await mkdtemp(join(tmpdir(), 'mailpassd-keycloak-'))
  const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  try {
    const server = await startKeycloak({ serversDir: defaultServersDir(), workDir })
    console.log(`MAILPASSD_TEST_KEYCLOAK=${server.url}`)
    await interrupted
    await server.stop()
  } finally {
    await rm(workDir, { recursive: true, force: true })
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main()
