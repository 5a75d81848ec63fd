/** What a stored hash may be: names, encodings, bounds, weak schemes; malformed is unusable and never a match. */
import fc from 'fast-check'
import t from 'tap'
import { readComparison } from '../../src/password/comparison.ts'
import { equalBytes } from '../../src/password/equal.ts'
import { md4 } from '../../src/password/md4.ts'
import { lookupScheme, SCHEMES } from '../../src/password/scheme.ts'
import { ask, poolFor } from './pools.ts'

const BCRYPT_TEST = '$2y$05$XRKJR3jPHN0Pl.r0iYZtIOQMjjWrRKs2AE.dFSOKxMVfd7M180lWS'
const SHA512_TEST =
  '$6$v/sOLHl98ajno42t$WTO18NbaSvyYyzmvAsasod2.KJWMXzt8qTLjAQ/3NNNId15U8d1e0ChXCJhI3njeDux9qoaTVEHLz.PZ3chV8/'
const MD5_TEST = '$1$POwHggbT$vqIDLKv394uiuchLs7prP1'

function reason(hash: string, allowWeak = true): string {
  const read = readComparison(hash, allowWeak)
  return 'unusable' in read ? read.unusable : `usable as ${read.kind}`
}

t.test('every scheme of the issue is known, in any case', async (t) => {
  const names =
    'BLF-CRYPT ARGON2I ARGON2ID CRYPT SHA512-CRYPT SHA256-CRYPT MD5-CRYPT DES-CRYPT PBKDF2 PBKDF2-SHA512 SHA SHA1 SHA256 ' +
    'SHA512 SSHA SSHA256 SSHA512 SMD5 LDAP-MD5 MD5 PLAIN-MD5 PLAIN-MD4 PLAIN-TRUNC CLEAR CLEARTEXT PLAIN'
  for (const name of names.split(' ')) {
    t.ok(lookupScheme(name), name)
    t.equal(lookupScheme(name.toLowerCase()), lookupScheme(name))
  }
  t.equal(SCHEMES.flatMap(({ aliases }) => [1, ...aliases]).length, names.split(' ').length, 'and no other')
  for (const name of ['CRAM-MD5', 'SCRAM-SHA-256', 'OTP', 'NTLM', '__proto__', '']) {
    t.equal(lookupScheme(name), undefined, name)
  }
})

t.test('the tag in braces does not matter for crypt hashes', async (t) => {
  const pool = poolFor(t)
  for (const tag of ['BLF-CRYPT', 'CRYPT', 'MD5', 'DES-CRYPT', 'ARGON2ID', 'sha256-crypt']) {
    for (const hash of [BCRYPT_TEST, SHA512_TEST, MD5_TEST]) {
      t.equal(await ask(pool, `{${tag}}${hash}`, 'test'), 'match', tag)
    }
  }
})

t.test('$2a$, $2b$ and $2y$ are one; only the first 72 bytes count', async (t) => {
  const pool = poolFor(t)
  for (const revision of ['a', 'b', 'y']) {
    const hash = `{BLF-CRYPT}$2${revision}${BCRYPT_TEST.slice(3)}`
    t.equal(await ask(pool, hash, 'test'), 'match')
  }
  const long = 'a'.repeat(72)
  const hash = '{BLF-CRYPT}$2y$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe'
  t.equal(await ask(pool, hash, long), 'match')
  t.equal(await ask(pool, hash, `${long}b`), 'match')
  t.equal(await ask(pool, hash, long.slice(1)), 'mismatch')
})

t.test('a NUL in the password never matches a crypt hash, and counts as a byte elsewhere', async (t) => {
  const pool = poolFor(t)
  // crypt(3) and PHP stop at the NUL; bcrypt's key repeats `test NUL test NUL …`.
  for (const hash of [BCRYPT_TEST, SHA512_TEST, MD5_TEST, 'Y3u.O7fuIVCCI']) {
    for (const password of ['test\0', 'test\0x', 'test\0test']) {
      t.equal(await ask(pool, `{CRYPT}${hash}`, password), 'mismatch')
    }
  }
  t.equal(await ask(pool, '{PLAIN.hex}74650073', 'te\0s'), 'match')
  t.equal(await ask(pool, '{PLAIN.hex}74650073', 'te'), 'mismatch')
})

t.test('plain passwords are bytes: no numbers, no end at a brace, no folding', async (t) => {
  const pool = poolFor(t)
  const cases: [hash: string, password: string, answer: 'match' | 'mismatch'][] = [
    ['{PLAIN}1000', '1e3', 'mismatch'],
    ['{PLAIN}a}b{c}', 'a}b{c}', 'match'],
    ['{CLEARTEXT}ä', 'ä', 'match'],
    ['{CLEAR}ä', 'a\u0308', 'mismatch'],
    ['{PLAIN}line\n', 'line', 'mismatch'],
    ['{PLAIN}line\n', 'line\n', 'match'],
    ['{PLAIN-MD5}0e462097431906509019562988736854', 'QNKCDZO', 'mismatch'],
    ['{PLAIN-MD5}0e830400451993494058024219903391', 'QNKCDZO', 'match'],
    ['{PLAIN}0', '', 'mismatch'],
    ['{PLAIN}a', 'a\0', 'mismatch'],
    ['{PLAIN-TRUNC}abc', 'abc', 'match'],
    ['{PLAIN-TRUNC}9-pass-word', 'pass-word', 'match'],
    ['{PLAIN-TRUNC}3-abc', 'abcdef', 'match'],
    ['{PLAIN-TRUNC}3-abc', 'ab', 'mismatch'],
    ['{PLAIN-TRUNC}9-abc', 'abcdef', 'mismatch'],
    [
      '{PBKDF2-SHA512}1$c2FsdA$hnzSXQTwe4oGhArN5WHzUtxrlQESrZd/p+pDmvUCwFpTAPqhbZv8/P5Hb80KJNEPLULh/SK2YjXucCzwo3P/zg',
      'password',
      'mismatch',
    ],
    [
      '{PBKDF2-SHA512}1$c2FsdA==$hn9wzxreAs/zdSWZo6U9xK80x6ZpgVrl1RNVThyM8lLALUcKKFoFAbrZmb/pQ8CPBQI119aLHaVeY/c7YKV/zg==',
      'password',
      'match',
    ],
    [
      '{PBKDF2-SHA512}1$c2FsdA$hn9wzxreAs/zdSWZo6U9xK80x6ZpgVrl1RNVThyM8lLALUcKKFoFAbrZmb/pQ8CPBQI119aLHaVeY/c7YKV/zg',
      'password',
      'match',
    ],
  ]
  for (const [hash, password, answer] of cases) {
    t.equal(await ask(pool, hash, password), answer, `${hash} ${password}`)
  }
  t.equal(await ask(pool, '{PLAIN}x\ufffd', Uint8Array.of(0x78, 0xff)), 'mismatch')
})

t.test('what asks for too much is unusable before any work', async (t) => {
  const argon2 = (m: number, p: number, passes: number): string =>
    `{ARGON2ID}$argon2id$v=19$m=${m},t=${passes},p=${p}$c2FsdHNhbHRzYWx0$${'A'.repeat(43)}`
  const sha = (rounds: number): string => `{CRYPT}$5$rounds=${rounds}$salt$${'a'.repeat(43)}`
  const pbkdf2 = (rounds: number): string => `{PBKDF2}$1$salt$${rounds}$${'0'.repeat(40)}`
  const pbkdf2Sha512 = (rounds: number): string => `{PBKDF2-SHA512}${rounds}$c2FsdA==$${'A'.repeat(86)}==`
  const bcrypt = (cost: string): string => `{BLF-CRYPT}$2y$${cost}$${BCRYPT_TEST.slice(7)}`

  t.equal(reason(bcrypt('14')), 'usable as bcrypt')
  t.equal(reason(bcrypt('15')), 'BLF-CRYPT cost over 14')
  t.equal(reason(bcrypt('99')), 'BLF-CRYPT cost over 14')
  t.equal(reason(bcrypt('03')), 'BLF-CRYPT cost under 4')
  t.equal(reason(argon2(262_144, 8, 10)), 'usable as argon2id')
  t.equal(reason(argon2(262_145, 1, 1)), 'ARGON2 memory over 256 MiB')
  t.equal(reason(argon2(1024, 1, 11)), 'ARGON2 passes over 10')
  t.equal(reason(argon2(1024, 9, 1)), 'ARGON2 lanes over 8')
  t.equal(reason(argon2(63, 8, 1)), 'ARGON2 memory under 8 KiB a lane')
  t.equal(reason(sha(1_000_000)), 'usable as sha256-crypt')
  t.equal(reason(sha(1_000_001)), 'SHA-CRYPT rounds over 1000000')
  t.equal(reason(sha(999_999_999)), 'SHA-CRYPT rounds over 1000000')
  t.equal(reason(sha(999)), 'SHA-CRYPT rounds under 1000')
  t.equal(reason(pbkdf2(5_000_000)), 'usable as pbkdf2')
  t.equal(reason(pbkdf2(5_000_001)), 'PBKDF2 rounds over 5000000')
  t.equal(reason(pbkdf2Sha512(5_000_000)), 'usable as pbkdf2')
  t.equal(reason(pbkdf2Sha512(5_000_001)), 'PBKDF2 rounds over 5000000')
  t.equal(reason(`{PLAIN}${'a'.repeat(1017)}`), 'usable as immediate')
  t.equal(reason(`{PLAIN}${'a'.repeat(1018)}`), 'hash over 1 KiB')
  t.equal(reason(`{PLAIN}${'ä'.repeat(509)}`), 'hash over 1 KiB')

  const pool = poolFor(t)
  t.equal(await ask(pool, '{PLAIN}x', 'x'.repeat(1025)), 'mismatch')
  t.equal(await ask(pool, `{CRYPT}${SHA512_TEST}`, 'x'.repeat(1025)), 'mismatch')
  const longest = 'x'.repeat(1017)
  t.equal(await ask(pool, `{PLAIN}${longest}`, longest), 'match')
})

t.test('malformed hashes are unusable with a reason', async (t) => {
  const cases: [hash: string, why: string][] = [
    ['', 'no scheme'],
    ['secret', 'no scheme'],
    ['{PLAIN', 'no scheme'],
    [' {PLAIN}x', 'no scheme'],
    ['{}x', 'no scheme'],
    ['{{PLAIN}}x', 'no scheme'],
    ['$2y$10$', 'no scheme'],
    ['{my-password}', 'unknown scheme'],
    ['{SHA.rot13}x', 'unknown encoding'],
    ['{PLAIN}', 'empty hash'],
    ['{PLAIN.b64}', 'empty hash'],
    ['{PLAIN}\ud800', 'hash is not text'],
    ['{PLAIN.hex}7', 'malformed hex'],
    ['{SHA}****************************', 'malformed base64'],
    ['{SHA}qUqP5cyxm6YcTAhz05Hph5gv', 'digest of a wrong length'],
    ['{SSHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=', 'salted digest without a salt'],
    ['{PLAIN-TRUNC}0-', 'PLAIN-TRUNC hash without a password'],
    ['{PLAIN-TRUNC}ab-cd', 'malformed PLAIN-TRUNC hash'],
    ['{PBKDF2}$1$salt$10', 'malformed PBKDF2 hash'],
    ['{PBKDF2}$1$salt$0$' + '0'.repeat(40), 'malformed PBKDF2 hash'],
    ['{PBKDF2-SHA512}10$c2FsdA==', 'malformed PBKDF2-SHA512 hash'],
    ['{PBKDF2-SHA512}10$c2FsdA==$AAAA', 'PBKDF2 key of a wrong length'],
    [`{CRYPT}${BCRYPT_TEST}x`, 'malformed BLF-CRYPT hash'],
    [`{CRYPT}${BCRYPT_TEST}\n`, 'malformed BLF-CRYPT hash'],
    [`{CRYPT}$2z${BCRYPT_TEST.slice(3)}`, 'malformed BLF-CRYPT hash'],
    [`{CRYPT}$2y$5$${BCRYPT_TEST.slice(7)}`, 'malformed BLF-CRYPT hash'],
    [`{CRYPT}$6$rounds=01000${SHA512_TEST.slice(2)}`, 'malformed SHA-CRYPT hash'],
    [`{CRYPT}${SHA512_TEST.slice(0, -1)}`, 'malformed SHA-CRYPT hash'],
    ['{CRYPT}$6$salt$', 'hash without a digest'],
    ['{CRYPT}$1$salt$', 'hash without a digest'],
    ['{CRYPT}$1$toolongsalt$vqIDLKv394uiuchLs7prP1', 'malformed MD5-CRYPT hash'],
    ['{CRYPT}$y$j9T$salt$hash', 'unknown kind of CRYPT hash'],
    ['{CRYPT}$apr1$salt$hash', 'unknown kind of CRYPT hash'],
    ['{CRYPT}_J9..salt12345678901', 'unknown kind of CRYPT hash'],
    ['{CRYPT}*0', 'unknown kind of CRYPT hash'],
    [`{CRYPT}!${BCRYPT_TEST}`, 'unknown kind of CRYPT hash'],
    ['{CRYPT}short', 'malformed DES-CRYPT hash'],
    ['{ARGON2ID}$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$' + 'A'.repeat(43), 'malformed ARGON2 hash'],
    ['{ARGON2ID}$argon2d$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$' + 'A'.repeat(43), 'malformed ARGON2 hash'],
    ['{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAAAA', 'ARGON2 tag of a wrong length'],
    ['{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$c2Fs$' + 'A'.repeat(43), 'malformed ARGON2 hash'],
  ]
  const pool = poolFor(t)
  for (const [hash, why] of cases) {
    t.same(await ask(pool, hash, ''), { unusable: why }, JSON.stringify(hash))
  }
})

t.test('weak schemes only where allowed; for crypt hashes the hash decides, not its tag', async (t) => {
  const weak: [hash: string, scheme: string][] = [
    ['{PLAIN}x', 'PLAIN'],
    ['{CLEARTEXT}x', 'PLAIN'],
    ['{plain.b64}eA==', 'PLAIN'],
    ['{PLAIN-TRUNC}1-x', 'PLAIN-TRUNC'],
    ['{PLAIN-MD4}db346d691d7acc4dc2625db19f9e3f52', 'PLAIN-MD4'],
    ['{PLAIN-MD5}098f6bcd4621d373cade4e832627b4f6', 'PLAIN-MD5'],
    ['{LDAP-MD5}CY9rzUYh03PK3k6DJie09g==', 'LDAP-MD5'],
    ['{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=', 'SHA1'],
    ['{SHA256}n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=', 'SHA256'],
    ['{SMD5}80CW7WDd8ZKWECeNv2rv6khQeQA=', 'SMD5'],
    [`{MD5}${MD5_TEST}`, 'MD5-CRYPT'],
    [`{BLF-CRYPT}${MD5_TEST}`, 'MD5-CRYPT'],
    ['{CRYPT}Y3u.O7fuIVCCI', 'DES-CRYPT'],
    [`{BLF-CRYPT}$2x${BCRYPT_TEST.slice(3)}`, 'BLF-CRYPT of $2x$'],
  ]
  for (const [hash, scheme] of weak) {
    t.equal(reason(hash, false), `weak scheme ${scheme}`)
    t.match(reason(hash, true), /^usable/)
  }
  for (const hash of [
    `{MD5}${BCRYPT_TEST}`,
    `{DES-CRYPT}${SHA512_TEST}`,
    '{SSHA}cfECmHBD9YQMOkmkStuOq3QXieNyyksC',
  ]) {
    t.match(reason(hash, false), /^usable/)
  }
})

t.test('nothing throws, nothing matches by accident, and no reason repeats the hash', async (t) => {
  const pool = poolFor(t)
  const names = SCHEMES.flatMap(({ name, aliases }) => [name, ...aliases])
  // Without the kinds that really run, when the text happens to be well-formed.
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 120 }),
    fc.stringMatching(/^[$][0-9a-z]{1,8}[$][!-~]{0,90}$/),
    fc.stringMatching(/^[0-9]{0,7}[-$][!-~]{0,60}$/),
  )
  const hashes = fc.oneof(
    text,
    fc
      .tuple(fc.constantFrom(...names), fc.constantFrom('', '.hex', '.B64'), text)
      .map(([n, e, x]) => `{${n}${e}}${x}`),
  )
  await fc.assert(
    fc.asyncProperty(hashes, async (hash) => {
      const answer = await ask(pool, hash, 'a password that nobody has')
      if (answer === 'match') return false
      const told = typeof answer === 'object' ? answer.unusable : ''
      const behind = hash.slice(hash.indexOf('}') + 1)
      return behind.length < 12 || !told.includes(behind)
    }),
    { numRuns: 2000 },
  )
})

t.test('MD4 as in RFC 1320 A.5', async (t) => {
  const cases: [text: string, digest: string][] = [
    ['', '31d6cfe0d16ae931b73c59d7e0c089c0'],
    ['a', 'bde52cb31de33e46245e05fbdbd6fb24'],
    ['abc', 'a448017aaf21d8525fc10ae87aa6729d'],
    ['message digest', 'd9130a8164549fe818874806e1c7014b'],
    ['abcdefghijklmnopqrstuvwxyz', 'd79e1c308aa5bbcdeea8ed63df412da9'],
    ['12345678901234567890'.repeat(4), 'e33b4ddc9c38f2199c3e7b164fcc0536'],
  ]
  for (const [text, digest] of cases) t.equal(md4(Buffer.from(text)).toString('hex'), digest)
})

t.test('bytes are equal, or differ in length or content', async (t) => {
  t.equal(equalBytes(Buffer.from(''), Buffer.from('')), true)
  t.equal(equalBytes(Buffer.from('ab'), Buffer.from('ab')), true)
  t.equal(equalBytes(Buffer.from('ab'), Buffer.from('ac')), false)
  t.equal(equalBytes(Buffer.from('ab'), Buffer.from('abc')), false)
})
