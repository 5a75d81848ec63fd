/** When the directory counts as down, and how it is found to be back. */
import t from 'tap'
import { Breaker } from '../../src/directory/breaker.ts'

/** Open at 1000, by five calls for three names. */
function opened(): Breaker {
  const breaker = new Breaker()
  const news = ['a', 'b', 'c', 'a', 'b'].map((name) => breaker.failed(name, 1000))
  t.same(news, [false, false, false, false, true])
  return breaker
}

t.test('five calls for three names within ten seconds open it', async (t) => {
  const late = new Breaker()
  for (const [at, name] of ['a', 'b', 'c', 'a'].entries()) late.failed(name, at)
  late.failed('b', 10_003)
  t.notOk(late.isOpen, 'only two of them within ten seconds')
  const two = new Breaker()
  for (let at = 0; at < 100; at += 1) two.failed(at % 2 === 0 ? 'a' : 'b', at)
  t.notOk(two.isOpen, 'two names are not three, however often they fail')
  t.ok(two.failed('c', 100), 'the third opens it')
  const many = new Breaker()
  for (let at = 0; at < 1000; at += 1) if (many.failed(`n${at}`, at * 5000)) t.fail('too seldom to count')
  t.ok(many.failedNames.length <= 50, 'names are bounded')
})

t.test('while open one call a second goes out, one at a time', async (t) => {
  const breaker = opened()
  t.equal(breaker.openedAtMs, 1000)
  t.notOk(breaker.admit(1999))
  t.ok(breaker.admit(2000))
  t.notOk(breaker.admit(9000), 'one is under way')
  breaker.failed('a', 9000)
  t.notOk(breaker.admit(9999))
  t.ok(breaker.admit(10_000))
})

t.test('any answer closes it, and what failed before is forgotten', async (t) => {
  const breaker = opened()
  t.ok(breaker.answered())
  t.notOk(breaker.answered(), 'no news')
  t.equal(breaker.openedAtMs, undefined)
  t.ok(breaker.admit(1001))
  for (const name of ['a', 'b', 'c', 'd']) t.notOk(breaker.failed(name, 1002))
  t.ok(breaker.failed('a', 1003))
})
