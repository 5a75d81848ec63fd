/** Commands that only read make no database: one made by root would be closed to the daemon. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { explain } from '../../src/cli/explain.ts'
import { log } from '../../src/cli/log.ts'
import { runCli } from '../../src/cli/run.ts'
import { status } from '../../src/cli/status.ts'
import { EXIT } from '../../src/errors.ts'
import { recordedIo } from './recorded-io.ts'

const COMMANDS = new Map([explain, log, status].map((command) => [command.name, async () => command]))

const CASES = [
  { words: ['explain', 'jane@example.org'], code: EXIT.noInput, err: /there is no database in .*--data-dir/ },
  { words: ['log'], code: EXIT.noInput, err: /there is no database in / },
  { words: ['log', '--follow'], code: EXIT.noInput, err: /there is no database in / },
  { words: ['status'], code: EXIT.unavailable, out: /database: SQLite .* is not there yet; serve makes it/ },
  { words: ['status', '--json'], code: EXIT.unavailable, out: /"error": "is not there yet; serve makes it"/ },
] as const

for (const { words, code, ...seen } of CASES) {
  t.test(words.join(' '), async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'mailpassd-absent-'))
    t.teardown(() => rmSync(dir, { recursive: true, force: true }))
    const config = join(dir, 'mailpassd.toml')
    writeFileSync(config, '', { mode: 0o600 })
    for (const place of [[], ['--config', config]]) {
      const io = recordedIo()
      t.equal(await runCli(COMMANDS, [...words, '--data-dir', dir, ...place], io), code)
      t.match(io.seen, seen)
      t.same(readdirSync(dir), ['mailpassd.toml'])
    }
  })
}
