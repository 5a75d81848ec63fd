/**
 * A wrong password that was refused before, from the user's own network: mailpassd remembers for 30 s what it compared;
 * Dovecot's cache keeps no mismatches of Lua, and asks again. Delays of failures are off on both sides.
 */
import { fileIn, figuresOf, interleave, measure, type Bench, type Measured, type Section } from '../bench.ts'
import { compareCpu } from '../compare-cpu.ts'
import type { Line } from '../line.ts'
import { writeCredentials } from '../load.ts'
import { addresses, credentialsOf, hashBy } from '../people.ts'
import { dovecotMissing, startCachedDovecot } from '../subjects/dovecot.ts'
import { makeMailboxes, makePlace, startMailpassd } from '../subjects/mailpassd.ts'
import type { Teardown } from '../teardown.ts'

/** Few: a wrong password held against a new word of the directory costs one of 20 look-ups a second over all. */
const USERS = 10
/** Dovecot keeps a failure until the next half second, whatever its settings: many are in flight, so that it has work. */
const IN_FLIGHT = { connections: 50, depth: 20 }

async function run(bench: Bench, teardown: Teardown): Promise<readonly Line[]> {
  const reason = dovecotMissing('2.3')
  if (reason !== undefined) {
    bench.leftOut(`wrong passwords beside Dovecot: ${reason}`)
    return []
  }
  const users = addresses(USERS)
  const right = await writeCredentials(fileIn(bench, 'right'), credentialsOf(users))
  const wrong = await writeCredentials(fileIn(bench, 'wrong'), credentialsOf(users, 'not the password'))
  const place = await makePlace(teardown, users, await hashBy('bcrypt 5'))
  await makeMailboxes(bench.programs.client, place, right, USERS)
  const subjects = [
    await startMailpassd(teardown, place, { config: '', failureDelayMs: 0 }),
    await startCachedDovecot(teardown, '2.3'),
  ]
  for (const subject of subjects) {
    await measure(bench, subject, right, { logins: USERS })
    await measure(bench, subject, wrong, { logins: USERS })
    await measure(bench, subject, wrong, { ...IN_FLIGHT, seconds: bench.quick ? 0.5 : 2 })
  }
  const load = { ...IN_FLIGHT, seconds: bench.quick ? 0.5 : 1.5 }
  const found = await interleave(
    bench,
    'wrong passwords',
    new Map(
      subjects.map((subject): [string, () => Promise<Measured>] => [
        subject.name,
        async () => {
          const figures = await measure(bench, subject, wrong, load)
          // Throttled or put off is another, cheaper answer.
          if (figures.fail !== figures.answers) {
            const { ok, fail, tempFail, closed } = figures
            throw new Error(
              `${subject.name}: ok ${ok}, refused ${fail}, not now ${tempFail}, closed ${closed}`,
            )
          }
          return figures
        },
      ]),
    ),
  )
  const name = 'Dovecot 2.3, cached'
  return [
    compareCpu({
      section: 'wrong',
      what: 'the same wrong password again, 1,000 in flight',
      name,
      ours: figuresOf(found, 'mailpassd'),
      theirs: figuresOf(found, name),
      goal: { atLeast: 1 },
    }),
  ]
}

export const wrong: Section = {
  name: 'wrong',
  about: 'wrong passwords that were refused before, beside Dovecot',
  run,
}
