/**
 * The connection test: everything between mailpassd and what it asks, step by step, each with what was seen and the
 * way out. `mailpassd check --live` runs it, and `POST /v1/connection-test` in the daemon. It changes nothing and asks
 * over connections of its own. docs/connection-test.md tells its steps.
 */
import type { Clock } from '../clock.ts'
import type { LoadedConfig } from '../config/load.ts'
import { settingsFromConfig } from '../config/settings.ts'
import type { ExitCode } from '../errors.ts'
import type { DirectoryProbe } from './directory-probe.ts'
import { directorySteps } from './directory-steps.ts'
import { checkDovecotEndpoints, checkMemcached, checkRedis } from './beside.ts'
import { checkDovecot, type Environment } from './dovecot.ts'
import { checkCaFile, checkDataDir, checkSogoPassword } from './files.ts'
import { runSteps, type PlannedStep } from './run-steps.ts'
import { exitCodeOf, found, type Finding, type Step } from './step.ts'
import { storeSteps } from './store-steps.ts'
import type { StoreProbe } from './store-probe.ts'

/** Whoever waits longer is answered with what is known by then. */
const WHOLE_MS = 60_000
const STEP_MS = 15_000

interface OpenedStore {
  readonly probe: StoreProbe
  close(): Promise<void>
}

export interface TestedParts {
  readonly clock: Clock
  readonly env: Environment
  /** Opened for one test and closed after it. */
  readonly openDirectory: () => Promise<DirectoryProbe>
  /** The database, or why there is none to look at yet. */
  readonly openStore: () => Promise<OpenedStore | { readonly absent: string }>
}

/** The result of the whole, its exit code (warnings do not count), and the steps that led there. */
export interface Report {
  readonly result: 'ok' | 'warning' | 'failed'
  readonly exitCode: ExitCode
  readonly steps: readonly Step[]
  readonly ms: number
}

export type ConnectionTest = (options: { readonly address?: string | undefined }) => Promise<Report>

/** Each call runs the whole test, within 60 s. Never throws: what goes wrong is a failed step. */
export function createConnectionTest(loaded: LoadedConfig, parts: TestedParts): ConnectionTest {
  return async ({ address }) => {
    const { clock, env } = parts
    const startedAtMs = clock.monotonicMs()
    const limits = { clock, stepMs: STEP_MS, endsAtMs: startedAtMs + WHOLE_MS }
    const tracks = await Promise.all([
      runSteps(ownSteps(loaded), limits),
      testDirectory(loaded, parts, address, limits),
      testStore(loaded, parts, limits),
      runSteps(
        [
          // No steps where they are not configured.
          { name: 'Redis', run: async () => checkRedis(loaded.config) },
          { name: 'memcached', run: async () => checkMemcached(loaded.config) },
          { name: 'doveadm', run: async () => checkDovecotEndpoints(loaded.config) },
        ],
        limits,
      ),
      runSteps([{ name: 'Dovecot', run: async () => checkDovecot(env) }], limits),
    ])
    const steps = tracks.flat()
    return {
      result: resultOf(steps),
      exitCode: exitCodeOf(steps),
      steps,
      ms: Math.round(clock.monotonicMs() - startedAtMs),
    }
  }
}

function resultOf(steps: readonly Step[]): Report['result'] {
  if (steps.some(({ result }) => result === 'failed')) return 'failed'
  return steps.some(({ result }) => result === 'warning') ? 'warning' : 'ok'
}

function ownSteps({ config, source, dataDir, warnings }: LoadedConfig): PlannedStep[] {
  return [
    {
      name: 'configuration',
      run: async (): Promise<Finding[]> => [
        found.ok(source),
        ...warnings.map((text) => found.warning(text, undefined)),
      ],
    },
    { name: 'data directory', run: async () => checkDataDir(dataDir) },
    // No step where none is configured.
    { name: 'compat.sogo_password_file', run: async () => checkSogoPassword(config) },
  ]
}

type Limits = Parameters<typeof runSteps>[1]

async function testDirectory(
  { config }: LoadedConfig,
  { clock, openDirectory }: TestedParts,
  address: string | undefined,
  limits: Limits,
): Promise<Step[]> {
  const caFile = config.directory.tls.ca_file
  const authorities: PlannedStep[] =
    caFile === undefined || config.directory.kind !== 'keycloak'
      ? []
      : [{ name: 'directory.tls.ca_file', run: async () => checkCaFile(config, clock.nowMs()) }]
  let probe: DirectoryProbe
  try {
    probe = await openDirectory()
  } catch (error) {
    return runSteps(
      [
        ...authorities,
        {
          name: 'directory',
          run: async () => {
            throw error
          },
        },
      ],
      limits,
    )
  }
  try {
    const steps = directorySteps({ probe, config: config.directory, clock, address })
    return await runSteps([...authorities, ...steps], limits)
  } finally {
    await (probe.kind === 'keycloak' ? probe.server : probe.directory).close()
  }
}

async function testStore(
  { config }: LoadedConfig,
  { clock, openStore }: TestedParts,
  limits: Limits,
): Promise<Step[]> {
  let store: Awaited<ReturnType<TestedParts['openStore']>> | undefined
  const opening: PlannedStep = {
    name: 'database',
    async run() {
      store = await openStore()
      return 'absent' in store ? found.ok(store.absent) : found.ok('')
    },
  }
  const opened = await runSteps([opening], limits)
  if (store === undefined || 'absent' in store) return opened
  const { probe } = store
  try {
    const settings = settingsFromConfig(config.directory, config.store)
    const { schema } = config.store
    const { sogo } = config.mailcow
    const maps = config.socketmap.listeners.length > 0
    return await runSteps(storeSteps({ probe, schema, sogo, maps, settings, clock }), limits)
  } finally {
    await store.close()
  }
}
