/** `mailpassd hash make` and `hash verify`. */
import t from 'tap'
import { hashMake, hashVerify } from '../../src/cli/hash.ts'
import { EXIT } from '../../src/errors.ts'
import { recordedIo } from './recorded-io.ts'

async function make(stdin: string, ...args: string[]) {
  const io = recordedIo(stdin, {})
  const code = await hashMake.run(args, io)
  return { code, out: io.seen.out, err: io.seen.err }
}

async function verify(stdin: string, ...args: string[]) {
  const io = recordedIo(stdin, {})
  const code = await hashVerify.run(args, io)
  return { code, out: io.seen.out, err: io.seen.err }
}

t.test('a hash is printed ready for Keycloak, and verifies', async (t) => {
  const { out, code } = await make('pässwort\n')
  t.match(out, /^\{BLF-CRYPT\}\$2y\$10\$\S{53}\n$/)
  t.equal(code, EXIT.ok)
  t.strictSame(await verify('pässwort\n', out.trim()), { code: EXIT.ok, out: 'match\n', err: '' })
  t.match(await verify('passwort\n', out.trim()), { code: 1, out: 'mismatch\n' })
  t.not((await make('pässwort\n')).out, out, 'a salt of its own each time')
})

t.test('other schemes, as JSON too', async (t) => {
  const { out } = await make('x', '-s', 'ssha512', '--json')
  t.match(JSON.parse(out), { scheme: 'SSHA512', hash: /^\{SSHA512\}/ })
  await t.rejects(make('x', '-s', 'ROT13'), { code: 'usage' })
  await t.rejects(make(''), { code: 'input_invalid' })
  await t.rejects(make('x'.repeat(1025)), { code: 'input_invalid' })
})

t.test('what cannot be compared is 65, with its reason on stderr', async (t) => {
  const { code, out, err } = await verify(
    'x\n',
    '{BLF-CRYPT}$2y$15$abcdefghijklmnopqrstuu5bpUlVVeMuV8v1jzMXs5SCZVZ5j3dQK',
  )
  t.equal(code, EXIT.data)
  t.equal(out, 'unusable\n')
  t.match(err, /cost over 14/)
  t.notMatch(err, 'single quotes')
  // What a shell leaves of it in double quotes.
  t.match((await verify('x\n', '{BLF-CRYPT}')).err, /a hash begins with its scheme: '\{BLF-CRYPT\}\$2y\$10/)
})

t.test('--tsv: one word a line, in order', async (t) => {
  const bcrypt = (await make('right\n')).out.trim()
  const lines: [string, string][] = [
    [`${bcrypt}\t"right"`, 'match'],
    ['{PLAIN}a\t"a"', 'match'],
    [`${bcrypt}\t"wrong"`, 'mismatch'],
    ['{PLAIN}é\t"\\u00e9"', 'match'],
    ['{PLAIN}a\tb\t"a\\tb"', 'match'],
    ['{NONSENSE}x\t"x"', 'unusable'],
    ['no tab', 'unusable'],
    ['{PLAIN}x\tx', 'unusable'],
    ['{PLAIN}x\t5', 'unusable'],
    ['{PLAIN}x\t"\\ud800"', 'unusable'],
    ['', 'unusable'],
    [`{PLAIN}x\t"${'y'.repeat(70_000)}"`, 'unusable'],
    ['{PLAIN}z\t"z"', 'match'],
  ]
  const { code, out } = await verify(`${lines.map(([line]) => line).join('\n')}\n`, '--tsv')
  t.strictSame(
    out.trimEnd().split('\n'),
    lines.map(([, word]) => word),
  )
  t.equal(code, EXIT.ok)
})

t.test('--tsv keeps the order over thousands of lines of mixed speed', async (t) => {
  const md5 = '{MD5-CRYPT}$1$salt$qJH7.N4xYta3aEG/dfqo/0'
  const lines = Array.from({ length: 2000 }, (_, i) =>
    i % 50 === 0 ? `${md5}\t"password"` : `{PLAIN}${i}\t"${i % 3 === 0 ? 'no' : i}"`,
  )
  const { out } = await verify(`${lines.join('\n')}\n`, '--tsv')
  const words = lines.map((_, i) => (i % 50 === 0 ? 'match' : i % 3 === 0 ? 'mismatch' : 'match'))
  t.strictSame(out.trimEnd().split('\n'), words)
})

t.test('mistakes of the command line', async (t) => {
  await t.rejects(verify('x'), { code: 'usage', message: /HASH is missing/ })
  await t.rejects(verify('x', '--tsv', '{PLAIN}x'), { code: 'usage' })
  await t.rejects(verify('x', '--tsv', '--json'), { code: 'usage' })
  await t.rejects(make('x', 'password'), { code: 'usage' })
})
