/** How steps are run: in order, timed, bounded, skipped where they mean nothing. On a clock that stands still. */
import t from 'tap'
import { runSteps, type PlannedStep } from '../../src/check/run-steps.ts'
import { exitCodeOf, found } from '../../src/check/step.ts'
import { EXIT, MailpassdError } from '../../src/errors.ts'
import { FakeClock } from '../fakes/clock.ts'

const step = (name: string, needs: readonly string[], run: PlannedStep['run']): PlannedStep => ({
  name,
  needs,
  run,
})
const good = async () => found.ok('seen')

function limits(clock: FakeClock, wholeMs = 60_000) {
  return { clock, stepMs: 15_000, endsAtMs: clock.monotonicMs() + wholeMs }
}

t.test('what a failed or skipped step makes moot is skipped, the rest is not', async (t) => {
  const ran: string[] = []
  const steps = await runSteps(
    [
      step('a', [], async () => found.failed('broken', 'mend it')),
      step('b', ['a'], async () => {
        ran.push('b')
        return found.ok('')
      }),
      step('c', ['b'], good),
      step('d', ['not in the plan'], good),
      step('e', ['d'], async () => found.warning('so so', 'better')),
      step('f', ['e'], good),
    ],
    limits(new FakeClock()),
  )
  t.same(steps, [
    { name: 'a', result: 'failed', detail: 'broken', hint: 'mend it', exit: EXIT.config, ms: 0 },
    { name: 'b', result: 'skipped', detail: 'not tried, because a did not come off' },
    { name: 'c', result: 'skipped', detail: 'not tried, because b did not come off' },
    { name: 'd', result: 'ok', detail: 'seen', ms: 0 },
    { name: 'e', result: 'warning', detail: 'so so', hint: 'better', ms: 0 },
    { name: 'f', result: 'ok', detail: 'seen', ms: 0 },
  ])
  t.same(ran, [])
})

t.test('what a server or a user named itself is not obeyed by a terminal', async (t) => {
  const [step1] = await runSteps(
    [step('evil', [], async () => found.warning('a\u001b[2Jb\nc\u202e', 'd\u0007'.repeat(9000)))],
    limits(new FakeClock()),
  )
  t.equal(step1?.detail, 'a[2Jbc')
  t.match(step1?.hint, /^d{8192}…$/)
})

t.test('several findings of one step, and none', async (t) => {
  const steps = await runSteps(
    [
      step('two', [], async () => [found.ok('one'), found.warning('another')]),
      step('none', [], async () => []),
      step('after', ['two', 'none'], good),
    ],
    limits(new FakeClock()),
  )
  t.same(
    steps.map(({ name, result }) => [name, result]),
    [
      ['two', 'ok'],
      ['two', 'warning'],
      ['after', 'ok'],
    ],
  )
})

t.test('a step that throws, and one that has no end', async (t) => {
  const clock = new FakeClock()
  const running = runSteps(
    [
      {
        ...step('throws', [], async () => {
          throw new MailpassdError('directory_unavailable', 'nobody answers')
        }),
        hint: 'wake it',
      },
      step('faulty', [], async () => {
        throw new MailpassdError('directory_invalid', 'nonsense')
      }),
      step('endless', [], () => new Promise(() => {})),
      step('slow', [], async () => {
        const waited = Promise.withResolvers<void>()
        clock.after(300, waited.resolve)
        await waited.promise
        return found.ok('at last')
      }),
    ],
    limits(clock),
  )
  await clock.advance(15_000)
  await clock.advance(300)
  const steps = await running
  t.match(steps, [
    { result: 'failed', detail: 'nobody answers', hint: 'wake it', exit: EXIT.unavailable },
    { result: 'failed', detail: 'nonsense', exit: EXIT.config },
    { result: 'failed', detail: 'no answer within 15 s', exit: EXIT.unavailable, ms: 15_000 },
    { result: 'ok', detail: 'at last', ms: 300 },
  ])
  t.equal(clock.pendingTimers, 0)
  t.equal(exitCodeOf(steps), EXIT.config)
  t.equal(exitCodeOf(steps.filter(({ detail }) => detail !== 'nonsense')), EXIT.unavailable)
})

t.test('the end of the whole test ends its steps: none of them passes for good', async (t) => {
  const clock = new FakeClock()
  const endless = () => new Promise<never>(() => {})
  const running = runSteps(
    [step('first', [], endless), step('second', [], endless), step('third', [], good)],
    limits(clock, 20_000),
  )
  await clock.advance(15_000)
  await clock.advance(5000)
  t.match(await running, [
    { name: 'first', detail: 'no answer within 15 s' },
    { name: 'second', detail: 'no answer within 5 s' },
    { name: 'third', result: 'failed', detail: /time for the whole test is over/, exit: EXIT.unavailable },
  ])
})
