/**
 * `npm run bench`: measures mailpassd beside what it is compared with, prints one table, and writes docs/performance.md
 * with its chart. Progress goes to stderr.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EXIT, MailpassdError } from '../src/errors.ts'
import type { Bench, Section } from './bench.ts'
import { compilerMissing, compilePrograms } from './compile.ts'
import type { Line } from './line.ts'
import { describeMachine } from './machine.ts'
import { parseOptions, type BenchOptions } from './options.ts'
import { cold } from './sections/cold.ts'
import { flood } from './sections/flood.ts'
import { lua } from './sections/lua.ts'
import { names } from './sections/names.ts'
import { pass } from './sections/pass.ts'
import { pool } from './sections/pool.ts'
import { size } from './sections/size.ts'
import { warm } from './sections/warm.ts'
import { wrong } from './sections/wrong.ts'
import { writePage } from './page.ts'
import { openServers } from './servers.ts'
import { plainTable } from './table.ts'
import { TeardownStack } from './teardown.ts'

const DOCS = join(import.meta.dirname, '../docs')
const SECTIONS: readonly Section[] = [warm, lua, wrong, cold, pool, flood, names, size, pass]

const HELP = `npm run bench [-- options]

Measures mailpassd beside other servers and beside what its work costs at least, on this machine, and prints one table.
Each figure is the median of all rounds, in which everything that is compared takes its turn. A whole run takes about
15 minutes and writes docs/performance.md and docs/performance.svg.

  --only NAMES   these sections alone, separated by commas; writes nothing
  --rounds N     1 to 100, default 5
  --quick        one short round, to try whether everything runs; its figures say little; writes nothing
  --out DIR      where performance.md and performance.svg are written, also of a part
  --million      also memory and look-ups with 1,000,000 users, in a heap of 8 GiB
  --help         this

Sections:
${SECTIONS.map(({ name, about }) => `  ${name.padEnd(12)} ${about}`).join('\n')}

Needs gcc, for the load client. Dovecot, Keycloak and MariaDB are measured where they are installed (npm run servers); what
is missing is left out and said. Dovecot needs root.`

async function runSections(options: BenchOptions, bench: Bench): Promise<readonly Line[]> {
  const lines: Line[] = []
  for (const section of SECTIONS) {
    if (options.only.length > 0 && !options.only.includes(section.name)) continue
    const teardown = new TeardownStack()
    try {
      lines.push(...(await section.run(bench, teardown)))
    } catch (error) {
      // The others are still worth their time. It is told on the page, too.
      bench.failed(`${section.name}: ${error instanceof Error ? error.message : String(error)}`)
    } finally {
      await teardown.end()
    }
  }
  return lines
}

/** Gives whether every section could be measured. */
async function measureAll(options: BenchOptions): Promise<boolean> {
  const startedAtMs = performance.now()
  const teardown = new TeardownStack()
  const leftOut = new Set<string>()
  const failed: string[] = []
  const progress = (text: string) => {
    const seconds = Math.round((performance.now() - startedAtMs) / 1000)
    process.stderr.write(`${String(seconds).padStart(4)} s  ${text}\n`)
  }
  try {
    const dir = await mkdtemp(join(tmpdir(), 'mailpassd-bench-'))
    teardown.teardown(() => rm(dir, { recursive: true, force: true }))
    progress('compiling the load client, starting servers')
    const bench: Bench = {
      programs: await compilePrograms(dir),
      dir,
      rounds: options.rounds,
      quick: options.quick,
      million: options.million,
      progress,
      leftOut: (text) => void leftOut.add(text),
      failed: (text) => {
        failed.push(text)
        progress(`FAILED ${text}`)
      },
      servers: await openServers(teardown, dir),
    }
    const lines = await runSections(options, bench)
    console.log(plainTable(lines))
    for (const text of leftOut) console.log(`left out: ${text}`)
    for (const text of failed) console.log(`FAILED: ${text}`)
    if (options.out === undefined) return failed.length === 0
    const machine = await describeMachine(options.rounds)
    await writePage(options.out, { machine, sections: SECTIONS, lines, leftOut: [...leftOut], failed })
    console.log(`written: ${join(options.out, 'performance.md')}, performance.svg`)
    return failed.length === 0
  } finally {
    await teardown.end()
  }
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(
      args,
      SECTIONS.map(({ name }) => name),
      DOCS,
    )
    if (options.help) {
      console.log(HELP)
      return EXIT.ok
    }
    const missing = await compilerMissing()
    if (missing !== undefined) {
      console.error(`bench: ${missing}`)
      return EXIT.unavailable
    }
    return (await measureAll(options)) ? EXIT.ok : EXIT.failed
  } catch (error) {
    if (!(error instanceof MailpassdError) || error.code !== 'usage') throw error
    console.error(`bench: ${error.message}`)
    return EXIT.usage
  }
}

process.exitCode = await main(process.argv.slice(2))
