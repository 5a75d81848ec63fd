/** `mailpassd explain` where no daemon runs: text, JSON and exit codes, on a realm file and SQLite. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { domainAdd } from '../../src/cli/domain.ts'
import { explain } from '../../src/cli/explain.ts'
import { runCli } from '../../src/cli/run.ts'
import { writeRealmFile } from '../../src/directory/realm-file/write.ts'
import { Explanation } from '../../src/explain/explanation.ts'
import { Compile } from 'typebox/compile'
import { recordedIo } from './recorded-io.ts'

const dir = mkdtempSync(join(tmpdir(), 'mailpassd-explain-'))
t.teardown(() => rmSync(dir, { recursive: true, force: true }))
const COMMANDS = new Map([explain, domainAdd].map((command) => [command.name, async () => command]))

async function run(...words: string[]) {
  const io = recordedIo()
  const code = await runCli(COMMANDS, [...words, '--data-dir', dir], io)
  return { code, ...io.seen }
}

t.before(async () => {
  await writeRealmFile(join(dir, 'realm.json'), [
    { username: 'jane', email: 'jane@example.org', hash: '{SSHA256}' + 'A'.repeat(56) },
    { username: 'joe', email: 'joe@example.org', hash: '{NOPE}x' },
  ])
  await run('domain', 'add', 'example.org')
})

t.test('text, and exit codes', async (t) => {
  const jane = await run('explain', 'Jane@example.org', '--ip', '192.0.2.1', '--service', 'submission')
  t.equal(jane.code, 0)
  t.match(jane.err, /no daemon answers on the admin socket/)
  t.match(jane.out, /^Can jane@example\.org log in over smtp from 192\.0\.2\.0\/24\? yes/)
  t.match(jane.out, /^ {2}ok {2}hash +\{SSHA256\} in the directory$/m)
  t.match(jane.out, /^ {7}mailpassd login --service smtp jane@example\.org$/m)
  t.notMatch(jane.out, /AAAA/)

  const joe = await run('explain', 'joe@example.org')
  t.equal(joe.code, 1)
  t.match(joe.out, /^ {2}NO {2}hash +in the directory cannot be compared: unknown scheme$/m)
  t.match(joe.out, /^ {2}1\. The stored hash cannot be compared[^]*mailpassd hash make$/m)

  t.match(await run('explain', 'nobody'), { code: 1, out: /NO {2}address/ })
  t.match(await run('explain', 'jane@elsewhere.example'), { code: 1, out: /mailpassd domain add elsewhere/ })
  t.match(await run('explain', 'jane@example.org', '--service', 'gopher'), {
    code: 1,
    out: /service_unknown/,
  })
})

t.test('JSON as the API describes it', async (t) => {
  const check = Compile(Explanation)
  for (const name of ['jane@example.org', 'joe@example.org', 'no address', 'x@y.example']) {
    const { out } = await run('explain', name, '--json')
    t.ok(check.Check(JSON.parse(out)), name)
  }
})

t.test('the directory does not answer: not known', async (t) => {
  writeFileSync(join(dir, 'realm.json'), '{')
  const { code, out } = await run('explain', 'jane@example.org')
  t.equal(code, 75)
  t.match(out, /not known now/)
  t.match(out, /^ {2}\?\? {2}directory/m)
})

t.test('mistakes on the command line', async (t) => {
  t.match(await run('explain'), { code: 64, err: /ADDRESS is missing/ })
  t.match(await run('explain', 'jane@example.org', '--ip', 'here'), { code: 64, err: /--ip/ })
  t.match(await run('explain', 'x'.repeat(2000)), { code: 64 })
})
