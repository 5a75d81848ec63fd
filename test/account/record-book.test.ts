import t from 'tap'
import { RecordBook, type DirectoryRecordValue } from '../../src/account/record-book.ts'
import type { Lookup } from '../../src/directory/directory.ts'
import { jane, profile } from '../fakes/accounts.ts'

const record = (lookup: Lookup, atMs: number): DirectoryRecordValue => ({
  kind: 'record',
  lookup,
  profile,
  atMs,
})
const found = (id: string): Lookup => ({ kind: 'found', user: { ...jane, id } })

t.test('a record is found by its address, and its address by the id of its user', async (t) => {
  const book = new RecordBook(10)
  book.put('jane@example.org', record(found('a'), 1))
  t.equal(book.find('jane@example.org')?.atMs, 1)
  t.same(book.emailsOf('a'), ['jane@example.org'])
  book.put('jane@example.org', record(found('b'), 2))
  t.same(book.emailsOf('a'), [], 'another user has the address now')
  t.same(book.emailsOf('b'), ['jane@example.org'])
  book.put('jane@example.org', record({ kind: 'absent' }, 3))
  t.same(book.emailsOf('b'), [])
  t.equal(book.find('jane@example.org'), undefined)
})

t.test('an answer that was asked for earlier does not replace a later one', async (t) => {
  const book = new RecordBook(10)
  book.put('jane@example.org', record(found('b'), 2))
  book.put('jane@example.org', record(found('a'), 1))
  t.same(book.emailsOf('b'), ['jane@example.org'])
  t.same(book.emailsOf('a'), [])
})

t.test('what was said to be wrong counts as such until a younger record comes', async (t) => {
  const book = new RecordBook(10)
  book.put('jane@example.org', record(found('a'), 1))
  book.invalidate('jane@example.org', 5)
  t.equal(book.invalidAtMs('jane@example.org'), 5)
  book.put('jane@example.org', record(found('a'), 5))
  t.equal(book.invalidAtMs('jane@example.org'), 5, 'asked for at that time: it may not have seen it')
  book.put('jane@example.org', record(found('a'), 6))
  t.equal(book.invalidAtMs('jane@example.org'), Number.NEGATIVE_INFINITY)
  book.invalidate('nobody@example.org', 7)
  t.equal(book.invalidAtMs('nobody@example.org'), Number.NEGATIVE_INFINITY, 'unknown addresses are not kept')
})

t.test('what is pushed out takes its id with it', async (t) => {
  const book = new RecordBook(2)
  for (const [at, id] of ['a', 'b', 'c'].entries()) {
    book.put(`${id}@example.org`, record(found(id), at))
    book.invalidate(`${id}@example.org`, at)
  }
  t.equal(book.size, 2)
  t.same(book.emailsOf('a'), [])
  t.equal(book.invalidAtMs('a@example.org'), Number.NEGATIVE_INFINITY)
})
