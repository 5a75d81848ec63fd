/** The form of our own app passwords: made, and known again however they are typed. */
import fc from 'fast-check'
import t from 'tap'
import { makeAppPassword, readAppPassword } from '../../src/credential/app-password.ts'
import { Secret } from '../../src/secret.ts'

const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789'
const FORM = /^[a-km-np-z2-9]{6}(?:-[a-km-np-z2-9]{4}){5}$/

function read(text: string): { tag: string; text: string } | undefined {
  const found = readAppPassword(Secret.fromText(text))
  return found === undefined ? undefined : { tag: found.tag, text: found.secret.reveal().toString('latin1') }
}

t.test('one that is made has 100 secret bits beside its tag, and no look-alikes', (t) => {
  const made = Array.from({ length: 500 }, () => {
    const { tag, secret } = makeAppPassword()
    const text = secret.reveal().toString('latin1')
    t.match(text, FORM)
    t.notMatch(text, /[01ol]/)
    t.equal(text.slice(0, 6), tag)
    return text
  })
  t.equal(new Set(made).size, made.length)
  const secretCharacters = made[0]?.slice(7).replaceAll('-', '').length ?? 0
  t.ok(secretCharacters * Math.log2(ALPHABET.length) >= 100)
  t.ok(6 * Math.log2(ALPHABET.length) >= 30)
  const seen = new Set(made.join('').replaceAll('-', ''))
  t.same([...seen].sort(), Array.from(ALPHABET).sort(), 'every character comes up')
  t.end()
})

const character = fc.constantFrom(...ALPHABET.split(''))
const canonical = fc.array(character, { minLength: 26, maxLength: 26 }).map((characters) => {
  const text = characters.join('')
  return [text.slice(0, 6), ...(text.slice(6).match(/.{4}/g) ?? [])].join('-')
})

t.test('however it is typed, it is the same', (t) => {
  const separators = fc.array(fc.constantFrom('', '', '', '-', ' '), { minLength: 27, maxLength: 27 })
  const shifts = fc.array(fc.boolean(), { minLength: 26, maxLength: 26 })
  fc.assert(
    fc.property(canonical, separators, shifts, (text, blanks, upper) => {
      const plain = text.replaceAll('-', '')
      const typed = Array.from(plain)
        .map((each, at) => (blanks[at] ?? '') + (upper[at] === true ? each.toUpperCase() : each))
        .join('')
      const found = read(typed + (blanks[26] ?? ''))
      return found?.text === text && found.tag === text.slice(0, 6)
    }),
  )
  fc.assert(fc.property(canonical, (text) => read(text)?.text === text))
  t.end()
})

t.test('what is none in form is none', (t) => {
  const good = 'k7m2xp-4h3t-9wqe-mn5c-bz8r-2vya'
  t.same(read(good), { tag: 'k7m2xp', text: good })
  for (const text of [
    '',
    'k7m2xp',
    good.slice(0, -1),
    `${good}a`,
    good.replace('a', 'o'),
    good.replace('a', '1'),
    good.replace('-', '_'),
    good.replace('-', '‑'),
    `${good}\n`,
    `${good}${' '.repeat(40)}`,
    good.replace('k', 'K'),
    good.replace('a', 'ä'),
  ])
    t.equal(read(text), undefined, JSON.stringify(text))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const found = readAppPassword(Secret.copyOf(bytes))
      return found === undefined || FORM.test(found.secret.reveal().toString('latin1'))
    }),
  )
  t.end()
})

t.test('the presented password is left as it is', (t) => {
  const secret = Secret.fromText('K7M2XP 4H3T 9WQE MN5C BZ8R 2VYA')
  readAppPassword(secret)?.secret.wipe()
  t.equal(secret.reveal().toString(), 'K7M2XP 4H3T 9WQE MN5C BZ8R 2VYA')
  t.notOk(secret.isWiped)
  t.end()
})
