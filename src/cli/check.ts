/** `mailpassd check`: everything that can be known of an installation without serving, each with the way out. */
import { checkDovecotEndpoints, checkMemcached, checkRedis } from '../check/beside.ts'
import { checkDovecot } from '../check/dovecot.ts'
import { checkCaFile, checkDataDir, checkSogoPassword } from '../check/files.ts'
import { asPrinted, exitCodeOf, failed, ok, warning, type Step } from '../check/step.ts'
import { systemClock, type Clock } from '../clock.ts'
import { examineConfig, type ExaminedConfig, type LoadedConfig } from '../config/load.ts'
import { formatProblem, type Problem } from '../config/problem.ts'
import type { Config } from '../config/schema.ts'
import { EXIT, MailpassdError } from '../errors.ts'
import { parseAddress } from '../login/address.ts'
import { parseArguments } from './args.ts'
import { chooseConfig } from './choose-config.ts'
import { checkDirectory } from './check-directory.ts'
import { testConnections } from './check-live.ts'
import { formatStep, formatTable } from './check-text.ts'
import { checkStore } from './check-store.ts'
import type { Command, Io } from './command.ts'

const HELP = `Usage: mailpassd check [--live] [--address ADDRESS] [--config FILE] [--data-dir DIR] [--json]

Reads the configuration and tells all that is wrong with it; then tries the
directory and the database as the daemon would, looks at the files that are
named, and at a Dovecot on this machine. Changes nothing.

With --live the directory and the database are tried step by step: name, TCP,
TLS, token, clock, roles, look-ups, the realm's rules, our rights in the
database, tables, domains, templates, each with the time it took
(docs/connection-test.md). Takes at most a minute.

Options:
  --live          the connection test
  --address ADDR  with --live: what the directory has for this user; never the hash
  --config FILE   configuration; without it and --data-dir that of the service,
                  /etc/mailpassd/mailpassd.toml, where there is one; else the
                  embedded default (docs/configuration.md)
  --data-dir DIR  as for serve
  --json          {"ok": …, "source": …, "data_dir": …, "steps": [{"name": …,
                  "result": "ok" | "warning" | "failed" | "skipped", "detail": …,
                  "hint": …}]}; with --live also "result", "exit_code", "ms"

Exit codes: 0 nothing failed (warnings may stand), 66 the file cannot be read,
69 directory or database not reachable, 78 something must be changed.
`

const nameOf = (problem: Problem) => (problem.key === '' ? 'configuration' : problem.key)

/** Without its authorities there is no connection to try: one fault is told once. */
async function checkConnection(loaded: LoadedConfig): Promise<Step[]> {
  const authorities = await checkCaFile(loaded.config, systemClock.nowMs())
  if (authorities.some(({ result }) => result === 'failed')) return authorities
  return [...authorities, ...(await checkDirectory(loaded))]
}

function problemsOf(examined: ExaminedConfig): Step[] {
  return examined.problems.map((problem) => failed(nameOf(problem), problem.text))
}

function loadedOf(config: Config, { source, dataDir, warnings }: ExaminedConfig): LoadedConfig {
  return { config, source, dataDir, warnings: warnings.map(formatProblem) }
}

async function lookAt(examined: ExaminedConfig, io: Io): Promise<Step[]> {
  const { config, source } = examined
  const steps = problemsOf(examined)
  if (config !== undefined) steps.push(ok('configuration', source))
  for (const found of examined.warnings) steps.push(warning(nameOf(found), found.text))
  if (config === undefined) return steps

  const loaded = loadedOf(config, examined)
  const parts = await Promise.all([
    checkDataDir(loaded.dataDir),
    checkSogoPassword(config),
    checkConnection(loaded),
    checkStore(loaded),
    checkRedis(config),
    checkMemcached(config),
    checkDovecotEndpoints(config),
    checkDovecot(io.env),
  ])
  return [...steps, ...parts.flat()]
}

/** `address`: as typed, or undefined. Throws MailpassdError usage, input_invalid. */
function addressOf(address: string | undefined, isLive: boolean): string | undefined {
  if (address === undefined) return undefined
  if (!isLive)
    throw new MailpassdError('usage', 'check: --address is for --live; see: mailpassd check --help')
  const parsed = parseAddress(address)
  if (parsed === undefined) throw new MailpassdError('input_invalid', '--address is no mailbox address')
  return parsed.full
}

/** The command with the clock that it judges certificates and Keycloak's time by. */
export function checkBy(clock: Clock): Command {
  return {
    name: 'check',
    summary: 'Check the configuration, the directory and the database.',
    help: HELP,
    async run(args, io) {
      const given = parseArguments('check', args, {
        text: ['config', 'data-dir', 'address'],
        flags: ['live', 'json'],
      })
      const isLive = given.flag('live')
      const address = addressOf(given.text('address'), isLive)
      const examined = await examineConfig({
        path: chooseConfig(given),
        dataDir: given.text('data-dir'),
        env: io.env,
        makeDataDir: false,
      })
      const { source, dataDir, config } = examined
      const live =
        isLive && config !== undefined
          ? await testConnections(loadedOf(config, examined), { address, clock, env: io.env })
          : undefined
      const steps = live?.steps ?? (await lookAt(examined, io)).map(asPrinted)
      const exit = live?.exitCode ?? exitCodeOf(steps)
      if (given.flag('json')) {
        const shown = steps.map(({ name, result, detail, hint, ms }) => ({ name, result, detail, hint, ms }))
        const whole = live === undefined ? {} : { result: live.result, exit_code: exit, ms: live.ms }
        const answer = { ok: exit === EXIT.ok, ...whole, source, data_dir: dataDir, steps: shown }
        io.out(`${JSON.stringify(answer, null, 2)}\n`)
      } else if (live === undefined) for (const step of steps) io.out(formatStep(step))
      else io.out(formatTable(live))
      return exit
    },
  }
}

export const check = checkBy(systemClock)
