import t from 'tap'
import { GuessRates } from '../../src/policy/rate.ts'
import { GuessSharing, type SharedChanges, type SharedGuesses } from '../../src/policy/sharing.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { FakeClock } from '../fakes/clock.ts'

/** Where other nodes are, by what a test says of them. */
class Others implements SharedGuesses {
  changes: SharedChanges = { counts: [], cleared: [], nextMs: 0 }

  read = () => Promise.resolve(this.changes)
  write = () => Promise.resolve()
  clear = () => Promise.resolve()
  prune = () => Promise.resolve()
}

t.test('the first clearing of all is obeyed, though nothing was counted before it', async (t) => {
  const clock = new FakeClock()
  const rates = new GuessRates(1000)
  const others = new Others()
  const sharing = new GuessSharing({ rates, shared: others, clock, logger: silentLogger })
  await sharing.start()
  rates.add('a:jane@example.org', 1, clock.nowMs())
  others.changes = { counts: [], cleared: [{ scope: 'a:jane@example.org', token: '1' }], nextMs: 1 }
  await clock.advance(1000)
  await sharing.close()
  t.equal(rates.total('a:jane@example.org', clock.nowMs()), 0)
})
