/** `mailpassd login` before anything is asked. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { COMMANDS } from '../../src/cli/commands.ts'
import { runCli } from '../../src/cli/run.ts'
import { recordedIo } from './recorded-io.ts'

t.test('an empty password is no attempt', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'mailpassd-login-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  for (const stdin of ['', '\n', '\r\n']) {
    const io = recordedIo(stdin)
    t.equal(await runCli(COMMANDS, ['login', 'jane@example.org', '--data-dir', dir], io), 65)
    t.same(io.seen, { out: '', err: 'mailpassd: login: the password is empty\n' })
  }
})
