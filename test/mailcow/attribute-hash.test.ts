/** attribute_hash against the facts' vector, and against PHP itself on texts that JSON writers disagree about. */
import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { attributeHash } from '../../src/mailcow/attribute-hash.ts'
import { DEFAULT_TEMPLATE } from '../servers/mailcow-schema.ts'
import { missing } from '../servers/roots.ts'
import { suite } from '../servers/suite.ts'

t.test('the Default template of a new mailcow', async (t) => {
  t.equal(attributeHash(DEFAULT_TEMPLATE), 'c63d56c97072ca649e4bb8af48835600ac8808e3')
})

const NASTY = [
  '',
  '"',
  '\\',
  '/',
  '</script>',
  "'",
  '{"tags":["Büro \\"Süd\\"","a\\/b"],"quota":0}',
  '{"tags":["\u{1f600}","𝕏","\u{10ffff}"]}',
  '\u0000\u0001\b\t\n\v\f\r\u001b\u001f\u007f\u0080\u009f',
  '\u00a0\u2028\u2029\ufeff\ufffd\uffff',
  'é e\u0301 ß İ ı K',
  '&<>',
  '𐀀'.repeat(1000),
]

/** sha1(json_encode(text)) of every text, by PHP; the texts go to it as hex, so that nothing on the way changes them. */
function byPhp(texts: readonly string[]): string[] {
  const program = 'while (($l = fgets(STDIN)) !== false) echo sha1(json_encode(hex2bin(trim($l)))), "\\n";'
  const input = texts.map((text) => `${Buffer.from(text).toString('hex')}\n`).join('')
  const output = execFileSync('php', ['-r', program], {
    input,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  return output.trimEnd().split('\n')
}

suite('as PHP hashes them', [missing('host', '/usr/bin/php')], async (t) => {
  const units = fc.sample(fc.string({ unit: 'binary', maxLength: 200 }), { numRuns: 1500, seed: 20260805 })
  const rows = fc.sample(fc.json({ stringUnit: 'binary' }), { numRuns: 500, seed: 20260805 })
  // Every character there is, but the surrogates, which no UTF-8 text has alone.
  const characters = Array.from({ length: 0x11_0000 / 256 }, (_, page) =>
    Array.from({ length: 256 }, (_, index) => page * 256 + index)
      .filter((code) => code < 0xd800 || code > 0xdfff)
      .map((code) => String.fromCodePoint(code))
      .join(''),
  )
  const texts = [...NASTY, DEFAULT_TEMPLATE, ...units, ...rows, ...characters]
  const expected = byPhp(texts)
  t.equal(expected.length, texts.length)
  const wrong = texts.filter((text, index) => attributeHash(text) !== expected[index])
  t.same(wrong, [], `${texts.length} texts`)
})
