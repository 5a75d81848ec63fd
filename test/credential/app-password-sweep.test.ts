/** The sweep: in steps, once a minute, and a database that is down costs a line, not the sweep. */
import t from 'tap'
import { startAppPasswordSweep, type SweptAppPassword } from '../../src/credential/app-password-sweep.ts'
import { MailpassdError } from '../../src/errors.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { FakeClock } from '../fakes/clock.ts'

const live: SweptAppPassword = {
  createdMs: 0,
  expiresMs: undefined,
  unusedDays: undefined,
  revokedMs: undefined,
  lastUsedMs: undefined,
}

function setUp() {
  const clock = new FakeClock()
  const asked: string[] = []
  const lines: string[] = []
  const state = { isDown: false, rows: [] as SweptAppPassword[], judged: [] as boolean[] }
  const note = (_fields: object, text: string) => void lines.push(text)
  const sweep = startAppPasswordSweep({
    rows: {
      async sweep(afterId, _limit, hasEnded) {
        asked.push(`own ${afterId}`)
        if (state.isDown) throw new MailpassdError('store_unavailable', 'down')
        state.judged = state.rows.map(hasEnded)
        return { lastId: afterId < 2 ? afterId + 1 : undefined, ended: 1 }
      },
      async sweepUses(afterId) {
        asked.push(`uses ${afterId}`)
        return undefined
      },
    },
    clock,
    logger: { ...silentLogger, info: note, warn: note },
    firstAfterMs: 30_000,
  })
  return { clock, asked, lines, state, sweep }
}

t.test('walks both tables to their end, a minute after the last time', async (t) => {
  const { clock, asked, lines, state, sweep } = setUp()
  t.teardown(() => sweep.stop())
  const nowMs = clock.nowMs()
  state.rows = [live, { ...live, expiresMs: nowMs }, { ...live, revokedMs: 1 }, { ...live, unusedDays: 1 }]
  await clock.advance(61_000)
  t.same(asked, ['own 0', 'own 1', 'own 2', 'uses 0'])
  t.same(state.judged, [false, true, true, true])
  t.same(lines, ['app passwords past their time were switched off'])
  await clock.advance(60_100)
  t.equal(asked.length, 8)
})

t.test('a database that is down: said once, gone on with', async (t) => {
  const { clock, lines, state, sweep, asked } = setUp()
  t.teardown(() => sweep.stop())
  state.isDown = true
  await clock.advance(180_000)
  t.same(lines, ['app passwords cannot be looked through'])
  state.isDown = false
  await clock.advance(61_000)
  t.match(lines.slice(1, 3), [/switched off/, /are looked through again/])
  const before = asked.length
  await sweep.stop()
  await clock.advance(600_000)
  t.equal(asked.length, before, 'stopped')
})

t.test('stopped in the middle of a pass, it ends there', async (t) => {
  const { sweep, asked, clock } = setUp()
  const passing = sweep.pass()
  await sweep.stop()
  await clock.advance(100)
  await passing
  t.same(asked, ['own 0'])
})
