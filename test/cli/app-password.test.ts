/** `mailpassd app-password …` on a database of its own. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { COMMANDS } from '../../src/cli/commands.ts'
import { runCli } from '../../src/cli/run.ts'
import { openStore } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { addressOf, makePlan } from '../contract/store-plans.ts'
import { sqliteOptions, stoppedClock, testDir } from '../contract/store-subjects.ts'

const FORM = /^[a-km-np-z2-9]{6}(?:-[a-km-np-z2-9]{4}){5}\n$/
const DAY_MS = 86_400_000

async function setUp(t: Test) {
  const dir = testDir(t)
  const store = await openStore(sqliteOptions(dir, 'mailpassd.sqlite'), {
    clock: stoppedClock,
    logger: silentLogger,
  })
  t.teardown(() => store.close())
  await store.domains.add('example.org', {})
  await store.mailboxes.apply(addressOf('jane@example.org'), makePlan)
  const cli = async (line: string, ...more: readonly string[]) => {
    let [out, err] = ['', '']
    const code = await runCli(COMMANDS, [...line.split(' '), ...more, '--data-dir', dir], {
      stdin: Readable.from([]),
      out: (text) => void (out += text),
      err: (text) => void (err += text),
      env: {},
      isInteractive: false,
    })
    return { code, out, err }
  }
  /** As mailcow's web interface writes whatever its users type. */
  const insert = (name: string) => {
    const database = new DatabaseSync(join(dir, 'mailpassd.sqlite'), { timeout: 5000 })
    const text = `insert into app_passwd (name, mailbox, domain, password) values (?, ?, 'example.org', 'x')`
    const { lastInsertRowid } = database.prepare(text).run(name, 'jane@example.org')
    database.close()
    return Number(lastInsertRowid)
  }
  return { store, cli, insert }
}

t.test('create: the password alone on stdout; list; revoke', async (t) => {
  const { store, cli } = await setUp(t)
  const made = await cli(
    'app-password create jane@example.org --protocols imap,smtp --expires 90d --unused-days 30 --networks',
    '192.0.2.0/24, 2001:db8::/32',
    '--name',
    'Phone of Jane',
  )
  t.equal(made.code, 0, made.err)
  t.match(made.out, FORM)
  t.match(
    made.err,
    /^app password \d+ of jane@example\.org for imap smtp, from 192\.0\.2\.0\/24 2001:db8::\/32, until /,
  )
  t.notOk(made.err.includes(made.out.trim()))
  const [row] = await store.appPasswords.list(addressOf('jane@example.org'))
  const expiresMs = row?.own?.expiresMs ?? 0
  t.ok(Math.abs(expiresMs - Date.now() - 90 * DAY_MS) < 60 * 60 * 1000)

  const listed = await cli('app-password list jane@example.org')
  t.match(listed, { code: 0, err: '' })
  t.match(listed.out, /name: +Phone of Jane\nstate: +active\nmade by: +mailpassd\nprotocols: +imap smtp\n/)
  t.match(listed.out, /last used: +\(never\)\n$/)
  const id = row?.id ?? 0
  t.match(await cli(`app-password revoke jane@example.org ${id}`), {
    code: 0,
    out: `jane@example.org: app password ${id} (Phone of Jane) is revoked\n`,
  })
  t.match(JSON.parse((await cli('app-password list jane@example.org --json')).out), {
    address: 'jane@example.org',
    app_passwords: [{ id, state: 'revoked', unused_days: 30 }],
  })
  const json: unknown = JSON.parse((await cli('app-password create jane@example.org --name x --json')).out)
  t.match(json, { address: 'jane@example.org', password: /^[a-z2-9]{6}-/, name: 'x', expires_at: null })
})

t.test('what is wrong is told with the way out', async (t) => {
  const { cli } = await setUp(t)
  const create = 'app-password create jane@example.org'
  for (const [line, code, err] of [
    ['app-password', 64, /app-password create/],
    [create, 64, /--name/],
    [`${create} --name x --expires tomorrow`, 65, /--expires: expected 30m, 8h, 7d/],
    [`${create} --name x --expires 2020-01-01`, 65, /--expires: 2020-01-01.* is not in the future/],
    [`${create} --name x --unused-days many`, 64, /--unused-days takes/],
    [`${create} --name x --unused-days 4000`, 65, /create: --unused-days: takes/],
    [`${create} --name x --protocols ftp`, 65, /create: --protocols: takes some of imap/],
    [`${create} --name x --networks 192.0.2.1/24`, 65, /create: --networks: number 1 is no network/],
    ['app-password create nobody@example.org --name x', 66, /no mailbox nobody@example\.org/],
    ['app-password list nobody@example.org', 66, /no mailbox nobody/],
    ['app-password revoke jane@example.org 7', 66, /no app password with the id 7/],
    ['app-password revoke jane@example.org x', 64, /ID is a number/],
  ] as const)
    t.match(await cli(line), { code, err, out: '' }, line)
  t.match(await cli('app-password list jane@example.org'), { code: 0, out: '', err: /has no app passwords/ })
})

t.test('a name that somebody chose in mailcow moves no cursor and forges no line', async (t) => {
  const { cli, insert } = await setUp(t)
  const id = insert('\u001b]0;owned\u0007\u202e\u009b2Jphone\nstate: expired')
  const { out } = await cli('app-password list jane@example.org')
  t.match(out, /^name: +\]0;owned2Jphonestate: expired$/m)
  t.notMatch(out, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
  t.match(await cli(`app-password revoke jane@example.org ${id}`), {
    out: /\(\]0;owned2Jphonestate: expired\)/,
  })
})

t.test('a rebind names those that a predecessor may have', async (t) => {
  const { store, cli, insert } = await setUp(t)
  await cli('app-password create jane@example.org --name phone')
  const id = insert('tablet')
  const { code, out } = await cli('mailbox rebind jane@example.org --id id-9')
  t.equal(code, 0)
  t.match(out, new RegExp(`bound to nobody still open it, .*: ${id}\\n`))
  await store.appPasswords.revoke(addressOf('jane@example.org'), id)
  t.match(JSON.parse((await cli('mailbox rebind jane@example.org --json')).out), {
    directory_id_before: 'id-9',
    unbound_app_passwords: [],
  })
})
