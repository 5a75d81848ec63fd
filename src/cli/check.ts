/** `mailpassd check`: everything that can be known of an installation without serving, each with the way out. */
import { systemClock } from '../clock.ts'
import { examineConfig, type LoadedConfig } from '../config/load.ts'
import type { Problem } from '../config/problem.ts'
import { EXIT, type ExitCode } from '../errors.ts'
import { parseArguments } from './args.ts'
import { checkDirectory } from './check-directory.ts'
import { checkDovecot } from './check-dovecot.ts'
import { checkCaFile, checkDataDir, checkSogoPassword } from './check-files.ts'
import { failed, ok, warning, type Step } from './check-step.ts'
import { checkStore } from './check-store.ts'
import type { Command, Io } from './command.ts'

const HELP = `Usage: mailpassd check [--config FILE] [--data-dir DIR] [--json]

Reads the configuration and tells all that is wrong with it; then tries the
directory and the database as the daemon would, looks at the files that are
named, and at a Dovecot on this machine. Changes nothing.

Options:
  --config FILE   configuration (docs/configuration.md); default: the embedded one
  --data-dir DIR  as for serve
  --json          {"ok": …, "source": …, "data_dir": …, "steps": [{"name": …,
                  "result": "ok" | "warning" | "failed", "detail": …, "hint": …}]}

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

async function lookAt(path: string | undefined, dataDir: string | undefined, io: Io) {
  const examined = await examineConfig({ path, dataDir, env: io.env, makeDataDir: false })
  const { config, source } = examined
  const steps: Step[] = examined.problems.map((problem) => failed(nameOf(problem), problem.text))
  if (config !== undefined) steps.push(ok('configuration', source))
  for (const found of examined.warnings) steps.push(warning(nameOf(found), found.text))
  if (config === undefined) return { steps, source, dataDir: examined.dataDir }

  const loaded = { config, source, dataDir: examined.dataDir, warnings: [] }
  const parts = await Promise.all([
    checkDataDir(loaded.dataDir),
    checkSogoPassword(config),
    checkConnection(loaded),
    checkStore(loaded),
    checkDovecot(io.env),
  ])
  return { steps: [...steps, ...parts.flat()], source, dataDir: examined.dataDir }
}

function format({ name, result, detail, hint }: Step): string {
  const line = `${result.padEnd(7)}  ${name}: ${detail}\n`
  return hint === undefined ? line : `${line}${' '.repeat(9)}${hint}\n`
}

function exitCodeOf(steps: readonly Step[]): ExitCode {
  const exits = steps.flatMap(({ exit }) => (exit === undefined ? [] : [exit]))
  return exits.includes(EXIT.config) ? EXIT.config : (exits[0] ?? EXIT.ok)
}

export const check: Command = {
  name: 'check',
  summary: 'Check the configuration, the directory and the database.',
  help: HELP,
  async run(args, io) {
    const given = parseArguments('check', args, { text: ['config', 'data-dir'], flags: ['json'] })
    const seen = await lookAt(given.text('config'), given.text('data-dir'), io)
    const exit = exitCodeOf(seen.steps)
    if (given.flag('json')) {
      const steps = seen.steps.map(({ name, result, detail, hint }) => ({ name, result, detail, hint }))
      io.out(
        `${JSON.stringify({ ok: exit === EXIT.ok, source: seen.source, data_dir: seen.dataDir, steps }, null, 2)}\n`,
      )
    } else for (const step of seen.steps) io.out(format(step))
    return exit
  },
}
