import t from 'tap'
import { parseFuture } from '../../src/incident/when.ts'

const NOW_MS = Date.UTC(2027, 0, 30, 12)

t.test('times that an operator writes', async (t) => {
  for (const [text, expected] of [
    ['30m', '2027-01-30T12:30:00.000Z'],
    ['8h', '2027-01-30T20:00:00.000Z'],
    ['7d', '2027-02-06T12:00:00.000Z'],
    [' 7d ', '2027-02-06T12:00:00.000Z'],
    ['2027-01-31', '2027-01-31T00:00:00.000Z'],
    ['2028-02-29', '2028-02-29T00:00:00.000Z'],
    ['2027-01-30T13:01+01:00', '2027-01-30T12:01:00.000Z'],
    ['2027-01-31T18:00:00.5Z', '2027-01-31T18:00:00.500Z'],
  ] as const)
    t.equal(new Date(parseFuture(text, NOW_MS, '--until')).toISOString(), expected, text)
})

t.test('what is no time, or past, is refused and named', async (t) => {
  const none =
    ' |0h|-8h|8|8 h|1w|99999999d|tomorrow|2027-02-30|2027-13-01|2027-01-31T18:00:00|2027-01-31 18:00Z|31.01.2027|2027-01-31T25:00Z|+8h|8h30m'
  for (const text of none.split('|'))
    t.throws(
      () => parseFuture(text, NOW_MS, '--until'),
      { code: 'input_invalid', message: /^--until: / },
      text,
    )
  for (const text of ['2027-01-30', '2020-01-01', '2027-01-30T12:00:00Z'])
    t.throws(() => parseFuture(text, NOW_MS, '--until'), {
      message: /is not in the future; it is 2027-01-30T12/,
    })
})
