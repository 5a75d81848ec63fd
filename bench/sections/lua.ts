/** Warm logins through Dovecot and its Lua: our way, with connections that are kept, beside a TLS connection for each login. */
import {
  checkAllIn,
  fileIn,
  figuresOf,
  interleave,
  measure,
  type Bench,
  type Measured,
  type Section,
} from '../bench.ts'
import { compareCpu } from '../compare-cpu.ts'
import type { Line } from '../line.ts'
import { writeCredentials } from '../load.ts'
import { addresses, credentialsOf, hashBy } from '../people.ts'
import { dovecotMissing } from '../../test/servers/dovecot.ts'
import { opensslMissing } from '../../test/servers/certificates.ts'
import { startAnew, startKept } from '../subjects/lua-dovecot.ts'
import { makeMailboxes, makePlace, startMailpassd } from '../subjects/mailpassd.ts'
import type { Teardown } from '../teardown.ts'

const USERS = 200
/** Enough for every worker of Dovecot to be busy now and then. */
const CONNECTIONS = 10

async function run(bench: Bench, teardown: Teardown): Promise<readonly Line[]> {
  const reason = dovecotMissing('2.3') ?? (await opensslMissing())
  if (reason !== undefined) {
    bench.leftOut(`logins through Dovecot's Lua: ${reason}`)
    return []
  }
  const users = addresses(USERS)
  const credentials = await writeCredentials(fileIn(bench, 'lua'), credentialsOf(users))
  const place = await makePlace(teardown, users, await hashBy('bcrypt 5'))
  await makeMailboxes(bench.programs.client, place, credentials, USERS)
  const { daemon } = await startMailpassd(teardown, place, { config: '' })
  const subjects = [await startKept(teardown, daemon), await startAnew(teardown, daemon)]
  const load = { connections: CONNECTIONS, seconds: bench.quick ? 0.5 : 3 }
  const runs = subjects.map((subject): [string, () => Promise<Measured>] => [
    subject.name,
    async () => {
      const figures = await measure(bench, subject, credentials, load)
      checkAllIn(subject.name, figures)
      return figures
    },
  ])
  for (const [name, once] of runs) {
    bench.progress(`lua: warming up, ${name}`)
    await once()
  }
  const found = await interleave(bench, 'lua', new Map(runs))
  return [
    compareCpu({
      section: 'lua',
      what: `login through Dovecot's Lua, ${CONNECTIONS} at a time`,
      name: 'a TLS connection for each',
      ours: figuresOf(found, 'kept'),
      theirs: figuresOf(found, 'anew'),
      goal: { atLeast: 1 },
    }),
  ]
}

export const lua: Section = {
  name: 'lua',
  about:
    'logins through Dovecot 2.3 and its Lua, with kept connections as shipped, beside a TLS connection for each as mailcow has it; CPU of all servers together',
  run,
}
