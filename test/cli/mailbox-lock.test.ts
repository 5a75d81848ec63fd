/** `mailbox lock` and `unlock` on the embedded default's database, with no daemon beside them. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { COMMANDS } from '../../src/cli/commands.ts'
import { runCli } from '../../src/cli/run.ts'
import { openStore } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { systemClock } from '../../src/clock.ts'
import { addressOf, makePlan } from '../contract/store-plans.ts'
import { sqliteOptions } from '../contract/store-subjects.ts'
import { recordedIo } from './recorded-io.ts'

function rig(t: Test, config = '') {
  const dir = mkdtempSync(join(tmpdir(), 'mailpassd-lock-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const file = join(dir, 'mailpassd.toml')
  writeFileSync(file, config, { mode: 0o600 })
  const cli = async (...words: string[]) => {
    const io = recordedIo()
    const code = await runCli(COMMANDS, [...words, '--config', file, '--data-dir', dir], io)
    return { code, ...io.seen }
  }
  const json = async (...words: string[]): Promise<unknown> => JSON.parse((await cli(...words, '--json')).out)
  const store = () =>
    openStore(sqliteOptions(dir, 'mailpassd.sqlite'), { clock: systemClock, logger: silentLogger })
  return { dir, file, cli, json, store }
}

t.test('lock, show, unlock', async (t) => {
  const { cli, json, store } = rig(t)
  const opened = await store()
  await opened.domains.add('example.org', {})
  await opened.mailboxes.apply(addressOf('jane@example.org'), makePlan)
  await opened.close()

  const locked = await cli('mailbox', 'lock', 'Jane@Example.org', '--until', '8h', '--reason', 'phone stolen')
  t.equal(locked.code, 0, locked.err)
  t.match(locked.out, /^jane@example\.org: locked since .* UTC, until .* UTC: phone stolen\n/)
  t.match(locked.out, /Open sessions go on: no \[\[dovecot\.endpoints\]\] is configured/)
  t.match(locked.out, /Good logins by password and network, last first: none/)
  t.match(locked.out, /mailpassd app-password revoke jane@example\.org ID/)
  t.match(await cli('mailbox', 'show', 'jane@example.org'), { out: /locked: +since .*phone stolen\n/ })
  t.match(await json('mailbox', 'show', 'jane@example.org'), {
    locked: true,
    lock: { until: String, reason: 'phone stolen' },
  })
  t.match(await json('mailbox', 'lock', 'jane@example.org'), {
    locked: true,
    lock: { until: null, reason: 'phone stolen' },
    sessions: [],
    use: { credentials: [], addresses: [], app_passwords: [] },
  })
  t.match(await cli('mailbox', 'unlock', 'jane@example.org'), { code: 0, out: /: unlocked\n/ })
  t.match(await cli('mailbox', 'unlock', 'jane@example.org'), { code: 0, out: /: was not locked\n/ })
  t.match(await json('mailbox', 'show', 'jane@example.org'), { locked: false, lock: null })
})

t.test('a mailbox that is not there (yet) is told', async (t) => {
  const { cli, json } = rig(t)
  t.match(await cli('mailbox', 'lock', 'typo@example.org'), {
    code: 0,
    out: /There is no mailbox typo@example\.org \(yet\); the lock waits for it/,
  })
  t.match(await json('mailbox', 'unlock', 'typo@example.org'), { mailbox: 'absent', locked: false })
})

t.test('bad input changes nothing', async (t) => {
  const { cli } = rig(t)
  const jane = 'jane@example.org'
  for (const [words, code, err] of [
    [['mailbox', 'lock', 'jane'], 65, /"jane" is not a mailbox address/],
    [['mailbox', 'lock', '*@example.org'], 65, /not a mailbox address/],
    [['mailbox', 'lock'], 64, /ADDRESS is missing/],
    [['mailbox', 'lock', jane, '--until', '2001-01-01'], 65, /--until: .* is not in the future/],
    [['mailbox', 'lock', jane, '--until', 'soon'], 65, /--until: expected 30m, 8h, 7d/],
    [['mailbox', 'lock', jane, '--until', '-8h'], 65, /--until: expected/],
    [['mailbox', 'lock', jane, '--reason', 'a\u001b[2J'], 65, /--reason: expected one line/],
    [['mailbox', 'lock', jane, '--reason', 'x'.repeat(256)], 65, /at most 255/],
    [['mailbox', 'lock', jane, '--unti', '8h'], 64, /did you mean --until/],
    [['mailbox', 'unlock', 'jane'], 65, /not a mailbox address/],
  ] as const)
    t.match(await cli(...words), { code, err }, words.join(' '))
  t.match(await cli('mailbox', 'unlock', jane), { out: /was not locked/ })
})

t.test('without a daemon the command ends sessions itself, at every Dovecot that it reaches', async (t) => {
  const { dir, file, cli, json, store } = rig(t)
  const program = join(dir, 'doveadm')
  writeFileSync(program, `#!/bin/sh\necho "$@" >> ${dir}/ran\n`)
  chmodSync(program, 0o755)
  writeFileSync(
    file,
    `[[dovecot.endpoints]]\nname = "up"\ncommand = ["${program}"]\nflush_auth_cache = true\n` +
      '[[dovecot.endpoints]]\nname = "down"\nurl = "http://127.0.0.1:1"\napi_key = "sesame"\n',
    { mode: 0o600 },
  )
  t.match(await json('mailbox', 'lock', 'jane@example.org'), {
    sessions: [
      { dovecot: 'up', ended: true, error: null },
      {
        dovecot: 'down',
        ended: false,
        error: /Dovecot down \(http:\/\/127\.0\.0\.1:1\): kick: ECONNREFUSED/,
      },
    ],
  })
  t.equal(
    readFileSync(join(dir, 'ran'), 'utf8'),
    'auth cache flush -- jane@example.org\nkick -- jane@example.org\n',
  )
  const opened = await store()
  // The second time is still to come at both, and the first at the one that is down.
  t.match(await opened.outbox.pending(), [
    { consumer: 'dovecot:down', count: 2 },
    { consumer: 'dovecot:up', count: 1 },
  ])
  await opened.close()
  rmSync(join(dir, 'ran'))
  t.match(await cli('mailbox', 'lock', 'jane@example.org'), {
    out: /sessions at Dovecot up: ended\nsessions at Dovecot down: .*ECONNREFUSED; tried again for an hour\n/,
    err: '',
  })
  t.ok(existsSync(join(dir, 'ran')))
})
