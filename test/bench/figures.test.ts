/** What the benchmark makes of its samples, of its arguments and of its lines. */
import t from 'tap'
import { distance, median, quantile } from '../../bench/figures.ts'
import { goalText, isMet, resultText, timeText, type Line } from '../../bench/line.ts'
import { parseOptions } from '../../bench/options.ts'
import { plainTable } from '../../bench/table.ts'

t.test('medians and quantiles', async (t) => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
  t.ok(Number.isNaN(median([])))
  t.ok(Number.isNaN(median([1, Number.NaN, 2])), 'a round that was not measured is not passed over')
  const hundred = Array.from({ length: 100 }, (_, at) => 99 - at)
  t.equal(quantile(hundred, 0), 0)
  t.equal(quantile(hundred, 0.99), 99)
  t.equal(quantile(hundred, 1), 99)
})

t.test('how far two distributions are apart', async (t) => {
  const hundred = Array.from({ length: 100 }, (_, at) => at)
  t.equal(distance(hundred, hundred).distance, 0)
  t.equal(distance(hundred, [200]).distance, 1)
  const later = hundred.map((value) => value + 25)
  t.equal(distance(hundred, later).distance.toFixed(3), '0.250')
  t.equal(distance([1, 1, 1, 2], [1, 2, 2, 2]).distance, 0.5, 'equal values count at once')
  t.ok(Math.abs(distance(hundred, hundred).chance - 0.2305) < 0.001)
})

const line: Line = {
  section: 's',
  what: 'w',
  ours: '1 us',
  other: 'that: 2 us',
  result: 2,
  unit: 'x',
  goal: { atLeast: 1.5 },
}

t.test('a line and its goal', async (t) => {
  t.equal(isMet(line), true)
  t.equal(isMet({ ...line, goal: { atMost: 1.5 } }), false)
  t.equal(isMet({ ...line, goal: undefined }), undefined)
  t.equal(isMet({ ...line, result: Number.NaN }), false, 'what was not measured was not met')
  t.equal(goalText(line), '>= 1.50x')
  t.equal(resultText({ result: 1.234, unit: 'ms' }), '1.23 ms')
  t.same([0.5, 12.34, 999.4, 1500, 2_500_000].map(timeText), [
    '0.50 us',
    '12.3 us',
    '999 us',
    '1.50 ms',
    '2.50 s',
  ])
  t.match(plainTable([line]), /^w +1 us +that: 2 us +2\.00x +>= 1\.50x +met$/m)
})

t.test('arguments', async (t) => {
  const parse = (...args: string[]) => parseOptions(args, ['warm', 'pool'], '/docs')
  t.same(parse(), { only: [], rounds: 5, quick: false, million: false, out: '/docs', help: false })
  t.match(parse('--only', 'warm,pool', '--rounds', '7'), {
    only: ['warm', 'pool'],
    rounds: 7,
    out: undefined,
  })
  t.match(parse('--quick'), { rounds: 1, out: undefined }, 'a part or a quick run leaves the page as it is')
  t.match(parse('--quick', '--out', '/tmp/x'), { out: '/tmp/x' })
  for (const args of [['--only', 'nothing'], ['--rounds', '0'], ['--rounds', 'x'], ['--loud'], ['stray']]) {
    t.throws(() => parse(...args), { code: 'usage' }, args.join(' '))
  }
})
