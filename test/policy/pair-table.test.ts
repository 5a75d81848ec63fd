import { randomBytes } from 'node:crypto'
import t from 'tap'
import { KnownPairMemory } from '../../src/policy/known-pair-memory.ts'
import { PairHash } from '../../src/policy/pair-hash.ts'
import { PairTable } from '../../src/policy/pair-table.ts'

const DAY_MS = 24 * 60 * 60 * 1000

t.test('pairs hash apart, and by their key', async (t) => {
  const [one, other] = [new PairHash(Buffer.alloc(8)), new PairHash(Buffer.alloc(8, 1))]
  const of = (hash: PairHash, mailbox: string, network: string) => {
    hash.ofPair(mailbox, network)
    return `${hash.high} ${hash.low}`
  }
  t.equal(of(one, 'a@b', 'c'), of(one, 'a@b', 'c'))
  const texts: [string, string][] = [
    ['', ''],
    ['a', ''],
    ['', 'a'],
    ['a', 'b'],
    ['ab', ''],
    ['aé', 'b'],
    ['aé\u0000', 'b'],
    ['aé', 'b\u0000'],
    ['\u0000', ''],
    ['ａ', 'b'],
  ]
  t.equal(new Set(texts.map(([mailbox, network]) => of(one, mailbox, network))).size, texts.length)
  for (const [mailbox, network] of texts) t.not(of(one, mailbox, network), of(other, mailbox, network))
})

t.test('bits of the hash are even', async (t) => {
  const hash = new PairHash(randomBytes(8))
  const ones = new Float64Array(64)
  const many = 20_000
  for (let index = 0; index < many; index += 1) {
    hash.ofPair(`user${index}@example.org`, '192.0.2.0/24')
    for (let bit = 0; bit < 32; bit += 1) {
      ones[bit] = (ones[bit] ?? 0) + ((hash.low >>> bit) & 1)
      ones[32 + bit] = (ones[32 + bit] ?? 0) + ((hash.high >>> bit) & 1)
    }
  }
  // Eight standard deviations.
  for (const count of ones) t.ok(Math.abs(count - many / 2) < 8 * Math.sqrt(many / 4))
})

t.test('what was seen is there, what was not is not, and what is old goes', async (t) => {
  const table = new PairTable(1_000_000, 30)
  const hash = new PairHash(Buffer.from('12345678'))
  const today = 20_000
  const each = (many: number, work: (index: number) => void) => {
    for (let index = 0; index < many; index += 1) {
      hash.ofPair(`user${index}@example.org`, '192.0.2.0/24')
      work(index)
    }
  }
  let news = 0
  each(50_000, (index) => {
    if (table.see(hash.high, hash.low, today - (index % 40), today)) news += 1
  })
  t.equal(news, 50_000 - (40_000 / 40) * 9 - (10_000 / 40) * 9, 'those older than 30 days are no news')
  let wrong = 0
  each(100_000, (index) => {
    const isThere = index < 50_000 && index % 40 <= 30
    if (table.has(hash.high, hash.low, today) !== isThere) wrong += 1
  })
  t.equal(wrong, 0)
  each(1, () => {
    t.notOk(table.see(hash.high, hash.low, today))
    t.ok(table.see(hash.high, hash.low, today + 1), 'once a day')
    t.ok(table.has(hash.high, hash.low, today - 5), 'a clock that was set back forgets nobody')
    t.notOk(table.has(hash.high, hash.low, today + 32))
  })
})

t.test('a full table keeps what was seen last', async (t) => {
  const table = new PairTable(10_000, 30)
  const hash = new PairHash(Buffer.from('12345678'))
  for (let index = 0; index < 40_000; index += 1) {
    hash.ofPair(`user${index}@example.org`, '')
    table.see(hash.high, hash.low, 20_000 + Math.floor(index / 2000))
  }
  t.ok(table.size <= 10_240, `${table.size}`)
  let kept = 0
  for (let index = 36_000; index < 40_000; index += 1) {
    hash.ofPair(`user${index}@example.org`, '')
    if (table.has(hash.high, hash.low, 20_019)) kept += 1
  }
  t.ok(kept > 3900, `${kept}`)
  const oneDay = new PairTable(10_000, 30)
  for (let index = 0; index < 40_000; index += 1) {
    hash.ofPair(`user${index}@example.org`, '')
    oneDay.see(hash.high, hash.low, 20_000)
  }
  t.ok(oneDay.size <= 10_240 && oneDay.size > 3000, 'also where all are of one day')
})

t.test('what is new is kept by name until it is written', async (t) => {
  let nowMs = 20_000 * DAY_MS
  const memory = new KnownPairMemory(10_000, () => nowMs, 3)
  t.ok(memory.learn('jane@example.org', '192.0.2.0/24'))
  t.notOk(memory.learn('jane@example.org', '192.0.2.0/24'), 'once a day')
  memory.load([{ mailbox: 'joe@example.org', network: '192.0.2.0/24', atMs: nowMs - 3 * DAY_MS }])
  t.ok(memory.isKnownPair('joe@example.org', '192.0.2.0/24'))
  t.notOk(memory.isKnownPair('joe@example.org', '198.51.100.0/24'))
  t.equal(memory.unwritten, 1)
  const taken = memory.takeUnwritten(10)
  t.same(taken, [{ mailbox: 'jane@example.org', network: '192.0.2.0/24', atMs: nowMs }])
  memory.putBack(taken)
  nowMs += DAY_MS
  t.ok(memory.learn('jane@example.org', '192.0.2.0/24'))
  for (let index = 0; index < 10; index += 1) memory.learn(`${index}@example.org`, '192.0.2.0/24')
  t.equal(memory.unwritten, 3, 'bounded')
})
