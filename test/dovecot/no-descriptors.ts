/** A process without a file descriptor left runs doveadm; says what came of it. */
import { openSync } from 'node:fs'
import { doveadmCommand } from '../../src/dovecot/command.ts'
import { targetOf } from '../../src/dovecot/doveadm.ts'

const doveadm = doveadmCommand({ name: 'mx1', command: ['/bin/true'], timeoutMs: 20_000 })
const target = targetOf('jane@example.org')
if (target === undefined) throw new Error('no target')
try {
  for (;;) openSync('/dev/null', 'r')
} catch {
  // That was the last one.
}
const told = await doveadm.run('kick', target, new AbortController().signal).then(
  () => 'done',
  (error: unknown) => String(error),
)
process.stdout.write(told)
