import t from 'tap'
import type { Candidate } from '../../src/credential/candidates.ts'
import { Memo } from '../../src/credential/memo.ts'
import { Secret } from '../../src/secret.ts'
import { FakeClock } from '../fakes/clock.ts'

const main = (hash: string): Candidate => ({ kind: 'main', id: 'main', hash, source: 'directory' })
function app(id: number, hash: string): Candidate {
  const row = { id, hash, services: new Set<never>(), active: true, own: undefined, lastUsedMs: undefined }
  return { kind: 'app', id: `app:${id}`, hash, row }
}
const secret = Secret.fromText('right')

t.test('the MAC is over mailbox, credential, hash and password, each with its length', (t) => {
  const memo = new Memo(100, new FakeClock())
  const mac = memo.rightMac('jane@example.org', main('{X}ab'), secret)
  t.equal(
    memo.rightMac('jane@example.org', main('{X}ab'), Secret.fromText('right')),
    mac,
    'the same for the same',
  )
  const others = [
    memo.rightMac('june@example.org', main('{X}ab'), secret),
    memo.rightMac('jane@example.org', main('{X}abr'), Secret.fromText('ight')),
    memo.rightMac('jane@example.org', app(1, '{X}ab'), secret),
    memo.rightMac('jane@example.org', main('{X}ab'), Secret.fromText('wrong')),
    memo.wrongMac('jane@example.org', [main('{X}ab')], secret),
    new Memo(100, new FakeClock()).rightMac('jane@example.org', main('{X}ab'), secret),
  ]
  t.equal(new Set([mac, ...others]).size, others.length + 1)
  t.end()
})

t.test('what does not fit its buffer is not remembered, and nothing throws', (t) => {
  const memo = new Memo(100, new FakeClock())
  t.equal(
    memo.rightMac('jane@example.org', main('{X}é€'), secret),
    undefined,
    'characters that latin1 would fold',
  )
  const many = Array.from({ length: 200 }, (_, i) => app(i, '{SSHA512}'.padEnd(120, 'x')))
  t.equal(memo.wrongMac('jane@example.org', many, secret), undefined)
  t.type(memo.rightMac('jane@example.org', main('{X}ab'), Secret.copyOf(Buffer.alloc(1024, 255))), 'string')
  t.end()
})

t.test('a right password is remembered, a wrong one for 30 s', async (t) => {
  const clock = new FakeClock()
  const memo = new Memo(100, clock)
  t.notOk(memo.isRight('a'))
  memo.rememberRight('a')
  t.ok(memo.isRight('a'))
  memo.rememberWrong('b')
  await clock.advance(30_000)
  t.ok(memo.isWrong('b'))
  await clock.advance(1)
  t.notOk(memo.isWrong('b'))
  await clock.advance(86_400_000)
  t.ok(memo.isRight('a'), 'it dies with its hash, not by time')
})

t.test('entries are bounded', (t) => {
  const memo = new Memo(100, new FakeClock())
  for (let i = 0; i < 5000; i += 1) {
    memo.rememberRight(`r${i}`)
    memo.rememberWrong(`w${i}`)
  }
  t.notOk(memo.isRight('r0'))
  t.ok(memo.isRight('r4999'))
  t.notOk(memo.isWrong('w0'))
  t.ok(memo.isWrong('w4999'))
  t.end()
})
