import t from 'tap'
import fc from 'fast-check'
import { isMakeable, parseAddress } from '../../src/login/address.ts'

t.test('names become canonical addresses', (t) => {
  const cases: [string, string | undefined][] = [
    ['Jane@Example.ORG', 'jane@example.org'],
    ['jane@münchen.example', 'jane@xn--mnchen-3ya.example'],
    ['jane@XN--MNCHEN-3YA.example', 'jane@xn--mnchen-3ya.example'],
    ['o+tag=x_y@a.b', 'o+tag=x_y@a.b'],
    ['jane', undefined],
    ['@example.org', undefined],
    ['jane@', undefined],
    ['jane@a@b', undefined],
    ['jane@exa mple.org', undefined],
    ['ja\tne@example.org', undefined],
    ['jane\n@example.org', undefined],
    ['jane@example.org\u0000', undefined],
    ['jane@-a.org', undefined],
    ['jane@a..org', undefined],
    ['jane@.org', undefined],
    ['../etc@example.org', undefined],
    ['..@example.org', undefined],
    ['.@example.org', undefined],
    ['*@example.org', undefined],
    ['j?ne@example.org', undefined],
    ['joe%example@example.org', undefined],
    ['a\\b@example.org', undefined],
    ['x'.repeat(65) + '@example.org', undefined],
    ['x'.repeat(64) + '@example.org', 'x'.repeat(64) + '@example.org'],
    ['é'.repeat(33) + '@example.org', undefined],
  ]
  for (const [name, full] of cases) t.equal(parseAddress(name)?.full, full, JSON.stringify(name))
  t.end()
})

t.test('only ASCII is folded: the Kelvin sign is no k', (t) => {
  t.not(parseAddress('\u212Aate@example.org')?.full, 'kate@example.org')
  t.not(parseAddress('KATİE@example.org')?.local, 'katie')
  t.end()
})

t.test('mailboxes are made for plain local parts only', (t) => {
  const makeable = (local: string) => {
    const address = parseAddress(`${local}@example.org`)
    return address !== undefined && isMakeable(address)
  }
  for (const local of ['jane', 'j.d', 'a+b', 'a=b', 'a_b', 'a-b', '0']) t.ok(makeable(local), local)
  for (const local of ['-all', '.a', 'a.', 'a..b', 'a!b', "a'b", 'é', '|id', 'a#b', '{a}'])
    t.notOk(makeable(local), local)
  t.end()
})

t.test('no name throws; what comes out is a fixed point', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.emailAddress()), (name) => {
      const address = parseAddress(name)
      return address === undefined || parseAddress(address.full)?.full === address.full
    }),
  )
  t.end()
})
