/** What readiness and metrics are told of a directory: its last failure, and that it is too slow for a login. */
import t from 'tap'
import type { Directory, Lookup } from '../../src/directory/directory.ts'
import { watchDirectory } from '../../src/directory/watched.ts'
import { MailpassdError } from '../../src/errors.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { profile } from '../fakes/accounts.ts'
import { FakeClock, settle } from '../fakes/clock.ts'

const ABSENT: Lookup = { kind: 'absent' }

/** A directory whose answers are given one by one. */
function watchedByHand() {
  const clock = new FakeClock()
  const asked: PromiseWithResolvers<Lookup>[] = []
  const directory: Directory = {
    findByEmail() {
      const answer = Promise.withResolvers<Lookup>()
      asked.push(answer)
      return answer.promise
    },
    findById: async () => undefined,
    count: async () => 0,
    page: async () => [],
    profile: async () => profile,
    close: async () => {},
  }
  const recorded: string[] = []
  const record = (request: string, result: string, durationMs: number) =>
    recorded.push(`${request} ${result} ${durationMs}`)
  const watched = watchDirectory(directory, { clock, logger: silentLogger, waitMs: 2000, record })
  return { clock, asked, recorded, watched }
}

t.test('the last call counts', async (t) => {
  const { asked, recorded, watched } = watchedByHand()
  t.equal(watched.lastFailure(), undefined, 'nothing is known yet')
  const first = watched.findByEmail('joe@x.example')
  asked[0]?.reject(new MailpassdError('directory_refused', 'answer 403'))
  await t.rejects(first, { code: 'directory_refused' })
  t.equal(watched.lastFailure(), 'directory_refused')
  const second = watched.findByEmail('joe@x.example')
  asked[1]?.resolve(ABSENT)
  t.equal(await second, ABSENT)
  t.equal(watched.lastFailure(), undefined)
  t.strictSame(recorded, ['lookup directory_refused 0', 'lookup ok 0'])
})

t.test('after an answer that came late it is asked again by itself, until one is in time', async (t) => {
  const { clock, asked, watched } = watchedByHand()
  const slow = watched.findByEmail('joe@x.example')
  await clock.advance(3000)
  asked[0]?.resolve(ABSENT)
  await slow
  t.equal(watched.lastFailure(), 'directory_unavailable')
  await clock.advance(1000)
  t.equal(asked.length, 2, 'nobody logs in, and it is asked all the same')
  await clock.advance(2500)
  t.equal(asked.length, 2, 'one at a time')
  asked[1]?.resolve(ABSENT)
  await settle()
  t.equal(watched.lastFailure(), 'directory_unavailable', 'late again')
  await clock.advance(1000)
  t.equal(asked.length, 3)
  asked[2]?.resolve(ABSENT)
  await settle()
  t.equal(watched.lastFailure(), undefined)
  await clock.advance(5000)
  t.equal(asked.length, 3, 'and then no more')
})

t.test('a call that outlasts the wait of a login is a failure until one is quick again', async (t) => {
  const { clock, asked, recorded, watched } = watchedByHand()
  const slow = watched.findByEmail('joe@x.example')
  await clock.advance(1999)
  t.equal(watched.lastFailure(), undefined)
  await clock.advance(1)
  t.equal(watched.lastFailure(), 'directory_unavailable', 'while it has not answered')
  await clock.advance(1000)
  asked[0]?.resolve(ABSENT)
  t.equal(await slow, ABSENT, 'the answer is handed on all the same')
  t.equal(watched.lastFailure(), 'directory_unavailable', 'nor does the late answer help')
  const quick = watched.findByEmail('joe@x.example')
  asked[1]?.resolve(ABSENT)
  await quick
  await settle()
  t.equal(watched.lastFailure(), undefined)
  t.strictSame(recorded, ['lookup ok 3000', 'lookup ok 0'])
  t.equal(clock.pendingTimers, 0)
})

t.test(
  'down: look-ups fail at once, by the last failure, until a probe of its own is answered',
  async (t) => {
    const { clock, asked, recorded, watched } = watchedByHand()
    const failing = ['a', 'b', 'c', 'd', 'e'].map((name) => watched.findByEmail(`${name}@x.example`))
    for (const { reject } of asked) reject(new MailpassdError('directory_refused', 'answer 403'))
    await Promise.allSettled(failing)
    t.equal(watched.downBy(), 'directory_refused')
    t.equal(watched.health().downSinceMs, clock.monotonicMs())
    await t.rejects(watched.findByEmail('f@x.example'), { code: 'directory_refused' })
    t.equal(asked.length, 5, 'nobody was asked')
    await clock.advance(1000)
    t.equal(asked.length, 6, 'but by a probe a second later')
    await clock.advance(1999)
    t.equal(asked.length, 6, 'one at a time')
    asked[5]?.resolve(ABSENT)
    await settle()
    t.equal(watched.downBy(), undefined)
    t.equal(recorded.at(-1), 'probe ok 1999')
    await watched.close()
    t.equal(clock.pendingTimers, 0)
  },
)

t.test('slow for everybody is not down: who is answered late is answered', async (t) => {
  const { clock, asked, watched } = watchedByHand()
  for (let i = 0; i < 30; i += 1) {
    void watched.findByEmail(`n${i}@x.example`)
    await clock.advance(300)
    if (i >= 10) asked[i - 10]?.resolve(ABSENT)
    await settle()
  }
  t.equal(watched.downBy(), undefined)
})
