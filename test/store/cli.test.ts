/** The commands that look at the database: migrate, domain, mailbox. */
import { chownSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import type { Command } from '../../src/cli/command.ts'
import { domainAdd, domainSet, domainShow } from '../../src/cli/domain.ts'
import { mailboxRebind, mailboxShow } from '../../src/cli/mailbox.ts'
import { migrate } from '../../src/cli/migrate.ts'
import { runCli } from '../../src/cli/run.ts'
import { openStore } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { addressOf, makePlan } from '../contract/store-plans.ts'
import { sqliteOptions, stoppedClock } from '../contract/store-subjects.ts'
import { mariadbForTests } from '../servers/mariadb.ts'
import { mariadbMissing, suite } from '../servers/suite.ts'

const COMMANDS = new Map<string, () => Promise<Command>>(
  [migrate, domainAdd, domainShow, domainSet, mailboxShow, mailboxRebind].map((command) => [
    command.name,
    async () => command,
  ]),
)

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function run(words: readonly string[]): Promise<Ran> {
  let out = ''
  let err = ''
  const code = await runCli(COMMANDS, words, {
    stdin: Readable.from([]),
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    env: {},
    isInteractive: false,
  })
  return { code, out, err }
}

/** A data directory, and commands on it: the embedded default's SQLite file. */
function embedded(t: Test) {
  const dir = mkdtempSync(join(tmpdir(), 'mailpassd-cli-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const cli = (line: string) => run([...line.split(' '), '--data-dir', dir])
  const json = async (line: string): Promise<unknown> => JSON.parse((await cli(`${line} --json`)).out)
  return { dir, cli, json }
}

t.test('migrate shows what it would do, does it, and then has nothing to do', async (t) => {
  const { dir, cli, json } = embedded(t)
  const dry = await cli('migrate --dry-run')
  t.equal(dry.code, 0)
  t.match(dry.out, /create table if not exists `mailpassd_change`[^;]*;\n/)
  t.match(await json('migrate --dry-run'), {
    dry_run: true,
    database: `SQLite ${join(dir, 'mailpassd.sqlite')}`,
  })
  t.equal(existsSync(join(dir, 'mailpassd.sqlite')), false, 'looking makes no database')
  t.match(await cli('migrate'), { code: 0, out: /statements were run/ })
  t.match(await cli('migrate'), { code: 0, out: '', err: /up to date/ })
})

t.test('domain add, show, set', async (t) => {
  const { cli, json } = embedded(t)
  t.match(await cli('domain show --all'), { code: 66, err: /there is no database in .*--data-dir/ })
  await cli('migrate')
  t.match(await cli('domain show --all'), { code: 0, out: '', err: /domain add NAME/ })
  t.match(await cli('domain add Bücher.example'), { code: 0, out: /domain: +xn--bcher-kva\.example\n/ })
  t.match(await json('domain add example.org --no-autojoin --template Default --max-mailboxes 5'), {
    name: 'example.org',
    active: true,
    autojoin: false,
    template: 'Default',
    mailboxes: 0,
    max_mailboxes: 5,
    max_quota_mib: 102400,
  })
  t.match(await cli('domain add example.org'), { code: 73, err: /exists already.*domain set example\.org/ })
  t.match(await json('domain set example.org --autojoin --no-template --quota-mib 7'), {
    autojoin: true,
    template: null,
    max_mailboxes: 5,
    quota_mib: 7,
  })
  t.match(await json('domain show --all'), [{ name: 'example.org' }, { name: 'xn--bcher-kva.example' }])
  t.match(await cli('domain show example.org'), { code: 0, out: /autojoin: +on\n/ })

  for (const [line, code, err] of [
    ['domain show example.net', 66, /domain add example\.net/],
    ['domain show', 64, /--all/],
    ['domain show example.org --all', 64, /--all/],
    ['domain add not_a_domain!', 65, /not a domain name/],
    ['domain add x.example --max-mailboxes many', 64, /--max-mailboxes takes a whole number/],
    ['domain add x.example --template Nope', 66, /"Default"/],
    ['domain set example.org', 64, /nothing to change/],
    ['domain set example.org --autojoin --no-autojoin', 64, /contradict/],
    ['domain set example.net --autojoin', 66, /domain add example\.net/],
  ] as const) {
    t.match(await cli(line), { code, err, out: '' }, line)
  }
})

t.test('mailbox show, rebind', async (t) => {
  const { dir, cli, json } = embedded(t)
  await cli('domain add example.org')
  const jane = addressOf('jane@example.org')
  const store = await openStore(sqliteOptions(dir, 'mailpassd.sqlite'), {
    clock: stoppedClock,
    logger: silentLogger,
  })
  t.teardown(() => store.close())
  await store.mailboxes.apply(jane, makePlan)
  t.match(await json('mailbox show Jane@Example.org'), {
    address: 'jane@example.org',
    active: 1,
    authsource: 'keycloak',
    sql_hash: false,
    services: { imap: true, pop3: false },
    directory_id: 'id-1',
    template: 'Default',
    missing_rows: [],
  })
  t.match(await cli('mailbox show jane@example.org'), {
    code: 0,
    out: /protocols: +imap smtp sieve eas dav\n[^]*directory id: +id-1\n/,
  })

  const last = await store.changes.lastChangeId()
  t.match(await cli('mailbox rebind jane@example.org'), {
    code: 0,
    out: /was bound to id-1; the next good login/,
  })
  t.equal((await store.accounts.loadAccount(jane)).mailbox?.directoryId, undefined)
  t.match(await store.changes.readChanges(last), [{ address: 'jane@example.org', kind: 'mailbox' }])
  t.same(await json('mailbox rebind jane@example.org --id id-9'), {
    address: 'jane@example.org',
    directory_id_before: null,
    directory_id: 'id-9',
    unbound_app_passwords: [],
  })
  t.match(await cli('mailbox show nobody@example.org'), { code: 66, err: /no mailbox nobody/ })
  t.match(await cli('mailbox rebind nobody@example.org'), { code: 66, err: /no mailbox nobody/ })
  t.match(await cli('mailbox show nobody'), { code: 65, err: /jane@example\.org/ })
})

t.test('every command has help', async (t) => {
  for (const name of COMMANDS.keys()) {
    t.match(await run([...name.split(' '), '--help']), {
      code: 0,
      out: new RegExp(`Usage: mailpassd ${name}`),
    })
  }
})

suite("on mailcow's schema", [mariadbMissing()], async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'mailpassd-cli-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const { sql, store } = await mariadbForTests(t, 'mailcow')
  const path = join(dir, 'mailpassd.toml')
  writeFileSync(
    path,
    `[store]\nkind = "mysql"\nschema = "mailcow"\nsocket = "${store.socket}"\ndatabase = "${store.database}"\nuser = "root"\n`,
  )
  const cli = (line: string) => run([...line.split(' '), '--config', path, '--data-dir', dir])
  t.match(await cli('domain add example.org'), {
    code: 66,
    err: /mailcow has no domain example\.org; add it/,
  })
  await sql.query(`insert into domain (domain, mailboxes) values ('example.org', 10)`)
  t.match(await cli('domain show example.org'), { code: 0, out: /as directory\.login_provisioning says/ })
  t.match(await cli('domain add example.org --quota-mib 5'), { code: 64, err: /mailcow's/ })
  t.match(await cli('domain add example.org'), { code: 0, out: /autojoin: +on\n/ })
  t.match(await cli('migrate --dry-run'), { code: 0, out: '', err: /up to date/ })
  await sql.query('drop table quota2')
  t.match(await cli('migrate'), { code: 78, err: /lacks table quota2/ })
})

const NOBODY = 65534
t.test(
  'a database that root makes belongs to who owns the data directory',
  { skip: process.getuid?.() === 0 ? false : 'needs root' },
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'mailpassd-cli-'))
    t.teardown(() => rmSync(dir, { recursive: true, force: true }))
    chownSync(dir, NOBODY, NOBODY)
    t.equal((await run(['domain', 'add', 'example.org', '--data-dir', dir])).code, 0)
    t.match(statSync(join(dir, 'mailpassd.sqlite')), { uid: NOBODY, gid: NOBODY })
  },
)
