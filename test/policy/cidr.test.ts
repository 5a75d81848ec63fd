/** Networks by their text, held against Node's own BlockList. */
import { BlockList, isIP } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { isInNetworks, normaliseCidr } from '../../src/policy/cidr.ts'

t.test('a network has one spelling', (t) => {
  const spellings: [string, string][] = [
    ['192.0.2.0/24', '192.0.2.0/24'],
    ['192.0.2.7', '192.0.2.7/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:DB8::/32', '2001:db8::/32'],
    ['2001:0db8:0:0:1:0:0:1', '2001:db8::1:0:0:1/128'],
    ['2001:db8:0:1:0:0:0:0/64', '2001:db8:0:1::/64'],
    ['::/0', '::/0'],
    ['::1', '::1/128'],
    ['1:0:2:0:0:3:0:0', '1:0:2::3:0:0/128'],
    ['::ffff:192.0.2.0/120', '192.0.2.0/24'],
    ['::ffff:c000:207', '192.0.2.7/32'],
  ]
  for (const [text, expected] of spellings) t.equal(normaliseCidr(text), expected, text)
  t.end()
})

t.test('what is no network is none', (t) => {
  const others = [
    '',
    'x',
    '192.0.2',
    '192.0.2.256',
    '192.0.2.0/33',
    '192.0.2.0/-1',
    '192.0.2.0/024',
    '192.0.2.0/',
    '192.0.2.1/24',
    '2001:db8::1/64',
    '010.0.0.0/8',
    '::ffff:010.0.0.1',
    'fe80::1%eth0',
    '2001:db8::/129',
    '::ffff:192.0.2.0/95',
    '1::2::3',
    '192.0.2.0/24 ',
    '192.0.2.0/2 4',
    'a'.repeat(100),
  ]
  for (const text of others) t.equal(normaliseCidr(text), undefined, text)
  t.end()
})

t.test('who is inside', (t) => {
  t.ok(isInNetworks('192.0.2.9', ['198.51.100.0/24', '192.0.2.0/24']))
  t.ok(isInNetworks('::ffff:192.0.2.9', ['192.0.2.0/24']), 'IPv4-mapped IPv6 is IPv4')
  t.notOk(isInNetworks('192.0.3.9', ['192.0.2.0/24']))
  t.notOk(isInNetworks('192.0.2.9', ['::/0']), 'all of IPv6 is not IPv4')
  t.notOk(isInNetworks('2001:db8::1', ['0.0.0.0/0']))
  t.notOk(isInNetworks('192.0.2.9', ['nonsense']), 'what is no network holds nothing')
  t.notOk(isInNetworks('nonsense', ['0.0.0.0/0', '::/0']))
  t.end()
})

const v4 = fc.ipV4()
const v6 = fc.ipV6().filter((ip) => isIP(ip) === 6)
const mapped = (ip: string) => /^(?:0*:)*(?:0*:)?:?ffff:/i.test(ip)

t.test('as BlockList says', (t) => {
  const pair = fc.oneof(
    fc.tuple(v4, v4, fc.integer({ min: 0, max: 32 })),
    fc.tuple(
      v6.filter((ip) => !mapped(ip)),
      v6.filter((ip) => !mapped(ip)),
      fc.integer({ min: 0, max: 128 }),
    ),
  )
  fc.assert(
    fc.property(pair, fc.boolean(), ([network, other, bits], isNear) => {
      const family = network.includes(':') ? 'ipv6' : 'ipv4'
      const ip = isNear ? network : other
      const list = new BlockList()
      list.addSubnet(network, bits, family)
      // Ours wants host bits cleared: found by trying shorter spellings is no proof, so each bit is cleared here.
      const cleared = clear(network, bits)
      const text = normaliseCidr(`${cleared}/${bits}`)
      if (text === undefined) throw new Error(`not taken: ${cleared}/${bits}`)
      return isInNetworks(ip, [text]) === list.check(ip, family) && normaliseCidr(text) === text
    }),
  )
  t.end()
})

/** The address with all bits after `bits` cleared, by way of a URL's host for IPv6. */
function clear(ip: string, bits: number): string {
  if (!ip.includes(':')) {
    const number = ip.split('.').reduce((sum, octet) => sum * 256n + BigInt(octet), 0n)
    const kept = (number >> BigInt(32 - bits)) << BigInt(32 - bits)
    return [24n, 16n, 8n, 0n].map((shift) => (kept >> shift) & 255n).join('.')
  }
  const full = new URL(`http://[${ip}]/`).hostname.slice(1, -1)
  const [left = '', right] = full.split('::')
  const groupsOf = (text: string) => (text === '' ? [] : text.split(':'))
  const ends = groupsOf(right ?? '')
  const zeros = Array<string>(8 - groupsOf(left).length - ends.length).fill('0')
  const groups = [...groupsOf(left), ...zeros, ...ends]
  const number = groups.reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n)
  const kept = (number >> BigInt(128 - bits)) << BigInt(128 - bits)
  return Array.from({ length: 8 }, (_, at) => ((kept >> BigInt(112 - 16 * at)) & 0xffffn).toString(16)).join(
    ':',
  )
}
