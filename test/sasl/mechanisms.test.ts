import fc from 'fast-check'
import t from 'tap'
import { findMechanism } from '../../src/sasl/mechanisms.ts'
import { login } from '../../src/sasl/login.ts'
import type { Exchange, Step } from '../../src/sasl/mechanism.ts'
import { plain } from '../../src/sasl/plain.ts'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

/** A step with its secret as latin1 text. */
function shown(step: Step): unknown {
  return step.kind === 'credentials'
    ? { authid: step.authid, secret: step.secret.reveal().toString('latin1') }
    : step
}

const malformed = { kind: 'refused', reason: 'malformed', authid: undefined }

t.test('PLAIN reads authzid, name and password out of one message', async (t) => {
  const start = (text: string): unknown => shown(plain.begin().start(bytes(text)))
  const joe = { authid: 'joe@example.org', secret: 'pass' }
  t.same(start('\0joe@example.org\0pass'), joe)
  t.same(start('joe@example.org\0joe@example.org\0pass'), joe, 'an authzid equal to the name is none')
  t.same(start('\0joe@example.org\0'), { ...joe, secret: '' })
  t.same(start('\0joe@example.org\0\xff\xfe'), { ...joe, secret: '\xff\xfe' }, 'any bytes are a password')
  const differs = { kind: 'refused', reason: 'authzid_differs', authid: 'joe@example.org' }
  t.same(start('boss@example.org\0joe@example.org\0pass'), differs)
  t.same(start('JOE@example.org\0joe@example.org\0pass'), differs)
  t.same(start('joe\0joe@example.org\0pass'), differs)
  for (const text of ['', 'joe', 'joe\0pass', '\0joe\0pass\0', '\0joe\0pa\0ss', '\0\0pass', '\0\0']) {
    t.same(start(text), malformed, JSON.stringify(text))
  }
})

t.test('PLAIN without an initial response asks with an empty challenge', async (t) => {
  const exchange = plain.begin()
  t.same(exchange.start(undefined), { kind: 'continue', challenge: '' })
  t.same(shown(exchange.next(bytes('\0joe\0pass'))), { authid: 'joe', secret: 'pass' })
})

t.test('LOGIN prompts for name and password; an initial response is the name', async (t) => {
  const username = { kind: 'continue', challenge: 'Username:' }
  const password = { kind: 'continue', challenge: 'Password:' }
  const joe = { authid: 'joe', secret: 'pass' }

  const asked = login.begin()
  t.same(asked.start(undefined), username)
  t.same(asked.next(bytes('joe')), password)
  t.same(shown(asked.next(bytes('pass'))), joe)

  const given = login.begin()
  t.same(given.start(bytes('joe')), password)
  t.same(shown(given.next(bytes('pa\0ss'))), { authid: 'joe', secret: 'pa\0ss' })

  t.same(login.begin().start(bytes('')), username, 'an empty initial response is none')
  t.same(login.begin().start(bytes('joe\0x')), malformed)
  const empty = login.begin()
  empty.start(undefined)
  t.same(empty.next(bytes('')), malformed)
})

t.test('names are UTF-8 and at most 1024 bytes', async (t) => {
  const name = (raw: Buffer): Step => plain.begin().start(Buffer.concat([bytes('\0'), raw, bytes('\0x')]))
  t.match(name(Buffer.from('jürgen@exämple.org')), { authid: 'jürgen@exämple.org' })
  t.same(name(bytes('j\xfcrgen')), malformed, 'not UTF-8: all such names would decode to one')
  t.match(name(Buffer.alloc(1024, 'a')), { kind: 'credentials' })
  t.same(name(Buffer.alloc(1025, 'a')), malformed)
})

t.test('a secret is a copy: overwriting the message leaves it', async (t) => {
  const message = bytes('\0joe\0pass')
  const step = plain.begin().start(message)
  message.fill(0)
  t.same(shown(step), { authid: 'joe', secret: 'pass' })
})

t.test('mechanisms are found without regard to case', async (t) => {
  t.equal(findMechanism('PLAIN'), plain)
  t.equal(findMechanism('login'), login)
  t.equal(findMechanism('CRAM-MD5'), undefined)
  t.equal(findMechanism('constructor'), undefined)
})

t.test('no bytes make a mechanism throw', async () => {
  const input = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array))
  const run = (exchange: Exchange, initial: Buffer | undefined, rest: readonly Buffer[]): void => {
    let step = exchange.start(initial)
    for (const response of rest) if (step.kind === 'continue') step = exchange.next(response)
  }
  fc.assert(
    fc.property(fc.option(input, { nil: undefined }), fc.array(input, { maxLength: 4 }), (initial, rest) => {
      run(plain.begin(), initial, rest)
      run(login.begin(), initial, rest)
    }),
  )
})
