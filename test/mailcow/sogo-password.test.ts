/** SOGo's password from its file: read when it changes, refused when it is no good, told once. */
import t, { type Test } from 'tap'
import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSogoPassword } from '../../src/mailcow/sogo-password.ts'
import { Secret } from '../../src/secret.ts'
import { createLogger } from '../../src/telemetry/log.ts'
import { FakeClock } from '../fakes/clock.ts'

const PASSWORD = 'q7e8m2x4c6v8b0n1a3s5d7f9g1h3j5k7'
const NEXT = 'z1x3c5v7b9n2m4q6w8e0r1t3y5u7i9o2'

async function setUp(t: Test) {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-sogo-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const path = join(dir, 'sogo-sso.pass')
  const clock = new FakeClock()
  const lines: string[] = []
  const logger = createLogger('info', { destination: { write: (line) => void lines.push(line) } })
  const sogo = createSogoPassword({ path, clock, logger })
  const write = async (content: string | Buffer, mode = 0o600): Promise<void> => {
    await writeFile(path, content)
    await chmod(path, mode)
  }
  /** After the time in which the file is not looked at again. */
  const matches = async (text: string): Promise<boolean | 'unknown'> => {
    await clock.advance(1000)
    return sogo.matches(Secret.fromText(text))
  }
  return { path, clock, lines, sogo, write, matches, dir }
}

t.test('the content opens, also with the end of line that an editor adds', async (t) => {
  const { write, matches, lines } = await setUp(t)
  await write(PASSWORD)
  t.equal(await matches(PASSWORD), true)
  for (const wrong of ['', PASSWORD.slice(1), `${PASSWORD}\n`, `${PASSWORD}x`, PASSWORD.toUpperCase(), NEXT])
    t.equal(await matches(wrong), false)
  await write(`${NEXT}\n`)
  t.equal(await matches(NEXT), true)
  t.equal(await matches(PASSWORD), false, 'the one before is nothing any more')
  t.notMatch(lines.join(''), PASSWORD)
  t.notMatch(lines.join(''), NEXT)
})

t.test('written in place, replaced, taken away, put back', async (t) => {
  const { path, dir, write, matches } = await setUp(t)
  t.equal(await matches(PASSWORD), 'unknown', 'not there yet')
  await write(PASSWORD)
  t.equal(await matches(PASSWORD), true)
  const other = join(dir, 'other')
  await writeFile(other, NEXT, { mode: 0o600 })
  await rename(other, path)
  t.equal(await matches(NEXT), true)
  await rm(path)
  t.equal(await matches(NEXT), 'unknown')
  await write(PASSWORD)
  t.equal(await matches(PASSWORD), true)
})

t.test('with a file that is no good nobody knows, which is told once, with the reason', async (t) => {
  const { write, matches, lines, path } = await setUp(t)
  const faults: [content: string | Buffer, mode: number, why: RegExp, password: string][] = [
    ['', 0o600, /is empty/, ''],
    ['\n', 0o600, /is empty/, ''],
    ['short', 0o600, /holds 5 bytes; a password for all mailboxes has 16 or more/, 'short'],
    [`${PASSWORD}\n${NEXT}\n`, 0o600, /more than one line/, PASSWORD],
    ['x'.repeat(5000), 0o600, /longer than 4096 bytes/, 'x'.repeat(5000)],
    [PASSWORD, 0o644, /may be read by everybody \(mode 0644\)/, PASSWORD],
  ]
  for (const [content, mode, why, password] of faults) {
    await write(PASSWORD)
    t.equal(await matches(PASSWORD), true)
    lines.length = 0
    await write(content, mode)
    for (let again = 0; again < 3; again += 1) t.equal(await matches(password), 'unknown', String(why))
    t.equal(lines.length, 1, 'one line')
    t.match(lines[0], why)
    t.match(lines[0], path)
  }
  await write(PASSWORD, 0o640)
  t.equal(await matches(PASSWORD), true, 'its own group may read it')
})

t.test('absent from the start: told before SOGo comes', async (t) => {
  const { sogo, lines } = await setUp(t)
  await sogo.look()
  await sogo.look()
  t.equal(lines.length, 1)
  t.match(lines[0], /sogo-sso\.pass cannot be read \(ENOENT\)/)
  t.match(lines[0], /SOGo's own logins fail for now/)
})

t.test('looked at once a second, however many come', async (t) => {
  const { clock, sogo, write } = await setUp(t)
  await write(PASSWORD)
  const all = await Promise.all(Array.from({ length: 50 }, () => sogo.matches(Secret.fromText(PASSWORD))))
  t.ok(all.every((each) => each === true))
  await write(NEXT)
  await clock.advance(999)
  t.equal(await sogo.matches(Secret.fromText(PASSWORD)), true, 'within the second: not looked at')
  await clock.advance(1)
  t.equal(await sogo.matches(Secret.fromText(NEXT)), true)
})
