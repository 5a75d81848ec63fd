import t from 'tap'
import { networkOf, networksOf } from '../../src/policy/network.ts'

const CASES: readonly (readonly [string | undefined, readonly string[]])[] = [
  ['192.0.2.77', ['192.0.2.0/24']],
  ['::ffff:192.0.2.77', ['192.0.2.0/24']],
  [
    '2001:db8:1:2345::1',
    ['2001:db8::/32', '2001:db8:1::/48', '2001:db8:1:2300::/56', '2001:db8:1:2345::/64'],
  ],
  ['2001:db8::1', ['2001:db8::/32', '2001:db8::/48', '2001:db8::/56', '2001:db8::/64']],
  ['::1', ['::/32', '::/48', '::/56', '::/64']],
  [undefined, ['unknown']],
  ['nonsense', ['unknown']],
  ['a:b', ['unknown']],
]

t.test('the networks of an address, from wide to narrow, end with the one logs count by', async (t) => {
  for (const [ip, networks] of CASES) {
    t.same(networksOf(ip), networks, String(ip))
    t.equal(networksOf(ip).at(-1), networkOf(ip))
    t.equal(networksOf(ip), networksOf(ip), 'made once')
  }
})
