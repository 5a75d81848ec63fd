/** Which configuration and database a command takes that was told neither. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { chooseConfig } from '../../src/cli/choose-config.ts'
import { COMMANDS } from '../../src/cli/commands.ts'
import { runCli } from '../../src/cli/run.ts'
import { recordedIo } from './recorded-io.ts'

const dir = mkdtempSync(join(tmpdir(), 'mailpassd-choose-'))
t.teardown(() => rmSync(dir, { recursive: true, force: true }))

const given = (options: Readonly<Record<string, string>>) => ({ text: (name: string) => options[name] })

t.test('the installed file, unless a configuration or a data directory is named', async (t) => {
  const installed = join(dir, 'mailpassd.toml')
  t.equal(chooseConfig(given({}), installed), undefined, 'none is there')
  writeFileSync(installed, '')
  t.equal(chooseConfig(given({}), installed), installed)
  t.equal(chooseConfig(given({ config: '/a.toml' }), installed), '/a.toml')
  t.equal(chooseConfig(given({ config: '/a.toml', 'data-dir': dir }), installed), '/a.toml')
  t.equal(chooseConfig(given({ 'data-dir': dir }), installed), undefined)
  t.equal(chooseConfig(given({}), join(installed, 'mailpassd.toml')), undefined, 'no directory')
})

t.test('one that may not be looked at is an error, not the embedded default', async (t) => {
  t.throws(() => chooseConfig(given({}), join(dir, 'x'.repeat(300))), {
    code: 'config_unreadable',
    message: /cannot be looked at \(ENAMETOOLONG\): run this as the daemon's user/,
  })
})

t.test('a database that nobody made is not made in passing', async (t) => {
  const data = join(dir, 'data')
  const cli = async (...words: string[]) => {
    const io = recordedIo()
    return { code: await runCli(COMMANDS, [...words, '--data-dir', data], io), ...io.seen }
  }
  for (const words of [
    ['mailbox', 'lock', 'jane@example.org'],
    ['mailbox', 'unlock', 'jane@example.org'],
    ['mailbox', 'show', 'jane@example.org'],
    ['app-password', 'list', 'jane@example.org'],
    ['domain', 'set', 'example.org', '--autojoin'],
  ]) {
    const seen = await cli(...words)
    t.match(seen, { code: 66, out: '', err: `there is no database in ${data}: name the daemon's` })
    t.notOk(existsSync(data), words.join(' '))
  }
  t.match(await cli('domain', 'add', 'example.org'), { code: 0, err: '' })
  t.match(await cli('mailbox', 'lock', 'jane@example.org'), { code: 0, err: '' })
})
