/** What is refused, and why: malformed, unknown, too costly, weak. Never a throw, never a match. */
import fc from 'fast-check'
import t from 'tap'
import { readComparison } from '../../src/password/comparison.ts'
import { ask, poolFor } from './pools.ts'

const BCRYPT = '$2y$04$abcdefghijklmnopqrstuu5bpUlVVeMuV8v1jzMXs5SCZVZ5j3dQK'
const SHA512_HEX =
  'b109f3bbbc244eb82441917ed06d618b9008dd09b3befd1b5e07394c706a8bb980b1d7785e5976ec049b46df5f1326af5a2ea6d103fd07c95385ffab0cacbc86'

const UNUSABLE: [string, string, RegExp][] = [
  ['no scheme', BCRYPT, /./],
  ['empty', '', /./],
  ['braces alone', '{}', /./],
  ['never closed', '{BLF-CRYPT', /./],
  ['unknown', '{YESCRYPT}$y$j9T$x', /./],
  ['apr1', '{CRYPT}$apr1$salt$xxxxxxxxxxxxxxxxxxxxxx', /unknown kind of CRYPT/],
  ['yescrypt', '{CRYPT}$y$j9T$abc$def', /unknown kind of CRYPT/],
  ['locked', '{CRYPT}*', /unknown kind of CRYPT/],
  ['locked by !', `{CRYPT}!${BCRYPT}`, /unknown kind of CRYPT/],
  ['bcrypt cost 15', `{BLF-CRYPT}${BCRYPT.replace('$04$', '$15$')}`, /cost over 14/],
  ['bcrypt cost 31', `{BLF-CRYPT}${BCRYPT.replace('$04$', '$31$')}`, /cost over 14/],
  ['bcrypt cut', `{BLF-CRYPT}${BCRYPT.slice(0, -1)}`, /malformed/],
  ['argon2 memory', '{ARGON2ID}$argon2id$v=19$m=262145,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA', /./],
  ['argon2 passes', '{ARGON2ID}$argon2id$v=19$m=64,t=11,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA', /./],
  ['argon2 lanes', '{ARGON2ID}$argon2id$v=19$m=128,t=1,p=9$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA', /./],
  ['sha-crypt rounds', `{SHA512-CRYPT}$6$rounds=1000001$salt$${'x'.repeat(86)}`, /./],
  ['sha-crypt without digest', '{SHA512-CRYPT}$6$salt$', /./],
  ['pbkdf2 rounds', `{PBKDF2}$1$salt$5000001$${'a'.repeat(40)}`, /rounds over 5000000/],
  ['pbkdf2 malformed', '{PBKDF2}$1$salt$x$zz', /malformed/],
  ['pbkdf2-sha512 rounds', `{PBKDF2-SHA512}5000001$c2FsdA==$${'a'.repeat(86)}==`, /rounds over 5000000/],
  ['pbkdf2-sha512 short key', '{PBKDF2-SHA512}1000$c2FsdA==$YWI=', /./],
  ['over 1 KiB', `{PLAIN}${'x'.repeat(1024)}`, /over 1 KiB/],
  ['ssha without salt', `{SSHA}${Buffer.alloc(20).toString('base64')}`, /without a salt/],
  ['sha too short', '{SHA256}YWJj', /./],
  ['base64 that is none', '{SSHA512}%%%%', /./],
  ['plain-trunc that opens to all', '{PLAIN-TRUNC}0-', /./],
]

t.test('unusable, with a reason that repeats nothing of the hash', async (t) => {
  const pool = poolFor(t)
  for (const [name, hash, reason] of UNUSABLE) {
    const answer = await ask(pool, hash, 'password')
    t.type(answer, 'object', name)
    if (typeof answer !== 'object') continue
    t.match(answer.unusable, reason, name)
    const secretPart = hash.slice(hash.indexOf('}') + 1)
    t.notOk(secretPart.length > 4 && answer.unusable.includes(secretPart), `${name}: repeats the hash`)
  }
})

t.test('bounds are bounds, not one less', (t) => {
  const isUsable = (hash: string) => !('unusable' in readComparison(hash, true))
  t.ok(isUsable(`{BLF-CRYPT}${BCRYPT.replace('$04$', '$14$')}`))
  t.ok(isUsable('{ARGON2ID}$argon2id$v=19$m=262144,t=10,p=8$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA'))
  t.ok(isUsable(`{SHA512-CRYPT}$6$rounds=1000000$salt$${'x'.repeat(86)}`))
  t.ok(isUsable(`{PBKDF2}$1$salt$5000000$${'a'.repeat(40)}`))
  t.ok(isUsable(`{PLAIN}${'x'.repeat(1017)}`))
  t.end()
})

t.test('weak schemes only where they are allowed, strong ones always', async (t) => {
  const strict = poolFor(t, { allowWeak: false })
  const weak = [
    '{PLAIN}password',
    '{CLEARTEXT}password',
    `{SHA512.HEX}${SHA512_HEX}`,
    '{PLAIN-MD5}5f4dcc3b5aa765d61d8327deb882cf99',
    '{CRYPT}rl0uE0e2WKB0.',
    '{MD5-CRYPT}$1$salt$qJH7.N4xYta3aEG/dfqo/0',
  ]
  for (const hash of weak) {
    const answer = await ask(strict, hash, 'password')
    t.match(answer, { unusable: /^weak scheme/ }, hash.slice(0, 12))
  }
  const lenient = poolFor(t)
  for (const hash of weak) t.equal(await ask(lenient, hash, 'password'), 'match', hash.slice(0, 12))
})

t.test(
  'the scheme ends at the first }, its name is of any case, crypt tags are interchangeable',
  async (t) => {
    const pool = poolFor(t)
    t.equal(await ask(pool, '{PLAIN}a}b', 'a}b'), 'match')
    t.equal(await ask(pool, '{plain}secret', 'secret'), 'match')
    t.equal(await ask(pool, '{Sha512.hex}' + SHA512_HEX, 'password'), 'match')
    for (const tag of ['BLF-CRYPT', 'SHA512-CRYPT', 'MD5', 'CRYPT', 'ARGON2ID']) {
      t.equal(await ask(pool, `{${tag}}$1$salt$qJH7.N4xYta3aEG/dfqo/0`, 'password'), 'match', tag)
    }
  },
)

t.test('compared as bytes: no numbers, no magic digests, no truncation at NUL or newline', async (t) => {
  const pool = poolFor(t)
  const wrong: [string, string | Uint8Array][] = [
    ['{PLAIN}1000', '1e3'],
    ['{PLAIN}0', ''],
    ['{PLAIN-MD5}0e462097431906509019562988736854', 'QNKCDZO'],
    ['{PLAIN}a', 'a\n'],
    ['{PLAIN}a', 'a\0'],
    ['{PLAIN}é', Uint8Array.of(0xe9)],
    ['{CRYPT}rl0uE0e2WKB0.', 'password\0x'],
    ['{PLAIN}', ''],
  ]
  for (const [hash, password] of wrong)
    t.not(await ask(pool, hash, password), 'match', `${hash} ${String(password)}`)
  t.equal(await ask(pool, '{PLAIN-TRUNC}8-password', 'password and more'), 'match')
  t.equal(await ask(pool, '{PLAIN-TRUNC}8-passwor', 'passwor'), 'match')
  t.equal(await ask(pool, '{PLAIN-TRUNC}9-pass-word', 'pass-word'), 'match', 'a dash in a password')
})

t.test('a password over 1024 bytes is a mismatch before any work', async (t) => {
  const pool = poolFor(t)
  t.equal(await ask(pool, `{PLAIN}${'x'.repeat(1000)}`, 'x'.repeat(1025)), 'mismatch')
  t.equal(await ask(pool, `{SHA512.HEX}${SHA512_HEX}`, 'x'.repeat(1025)), 'mismatch')
})

t.test('no hash throws, and none of nonsense matches', async (t) => {
  const schemes = [
    'PLAIN-TRUNC',
    'SSHA',
    'SHA256.HEX',
    'PBKDF2',
    'PBKDF2-SHA512',
    'CRYPT',
    'BLF-CRYPT',
    'ARGON2ID',
    'SMD5',
    'LDAP-MD5',
    'PLAIN-MD4',
    'X',
  ]
  const hash = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc
      .tuple(fc.constantFrom(...schemes), fc.string({ unit: 'binary', maxLength: 120 }))
      .map(([scheme, rest]) => `{${scheme}}${rest}`),
    fc
      .tuple(
        fc.constantFrom('$5$', '$6$', '$1$', '$2y$04$', '$argon2id$v=19$m=64,t=1,p=1$'),
        fc.base64String({ maxLength: 90 }),
      )
      .map(([kind, rest]) => `{CRYPT}${kind}${rest}`),
  )
  fc.assert(
    fc.property(hash, (text) => {
      const comparison = readComparison(text, true)
      return (
        'unusable' in comparison ||
        comparison.kind !== 'immediate' ||
        !comparison.compare(Buffer.from('a password of nobody'))
      )
    }),
    { numRuns: 3000 },
  )
  t.end()
})
