/** Sealed records open with their key, address and time alone. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { parseRecordKey, RecordKey, type SealedContent } from '../../src/mirror/record-key.ts'
import { jane, profile } from '../fakes/accounts.ts'

const key = new RecordKey(Buffer.alloc(32, 7))
const found: SealedContent = { lookup: { kind: 'found', user: jane }, profile }

t.test('what was sealed opens as it was', async (t) => {
  const two: SealedContent = {
    lookup: {
      kind: 'ambiguous',
      users: [jane, { ...jane, id: 'other', template: 'Sales', firstName: 'Zoë' }],
    },
    profile,
    hashesOlderMs: 5,
  }
  for (const content of [found, two]) {
    const text = key.seal(jane.email, 12_345, content) ?? ''
    t.strictSame(key.open(jane.email, 12_345, text), content)
    t.notMatch(Buffer.from(text, 'base64').toString('latin1'), /PLAIN|jane/)
  }
  t.not(key.seal(jane.email, 1, found), key.seal(jane.email, 1, found), 'each with a nonce of its own')
})

t.test('another address, time or key, and changed bytes, open nothing', async (t) => {
  const text = key.seal(jane.email, 12_345, found) ?? ''
  t.equal(key.open('erin@example.org', 12_345, text), undefined)
  t.equal(key.open(jane.email, 12_346, text), undefined)
  t.equal(new RecordKey(randomBytes(32)).open(jane.email, 12_345, text), undefined)
  const bytes = Buffer.from(text, 'base64')
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 1
    if (key.open(jane.email, 12_345, changed.toString('base64')) !== undefined) t.fail(`byte ${at}`)
  }
  for (const other of ['', 'x', 'A'.repeat(40), text.slice(0, -8), 'A'.repeat(20_000)])
    t.equal(key.open(jane.email, 12_345, other), undefined)
})

t.test('nobody and too long are not kept', async (t) => {
  t.equal(key.seal('x@x.example', 1, { lookup: { kind: 'absent' }, profile }), undefined)
  const long: SealedContent = {
    lookup: { kind: 'found', user: { ...jane, firstName: 'x'.repeat(20_000) } },
    profile,
  }
  t.equal(key.seal(jane.email, 1, long), undefined)
})

t.test('a key is 32 bytes in hex or base64', async (t) => {
  const bytes = randomBytes(32)
  t.strictSame(parseRecordKey(bytes.toString('hex')), bytes)
  t.strictSame(parseRecordKey(bytes.toString('base64')), bytes)
  t.strictSame(parseRecordKey(bytes.toString('base64url')), bytes)
  for (const other of ['', 'secret', bytes.toString('hex').slice(1), 'g'.repeat(64)])
    t.equal(parseRecordKey(other), undefined)
  t.match(key.id, /^[0-9a-f]{16}$/)
  t.not(new RecordKey(bytes).id, key.id)
})
