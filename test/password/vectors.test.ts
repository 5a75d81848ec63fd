/**
 * Every scheme against hashes that real programs made (test/vectors/make.pl): doveadm pw, PHP's password_hash and
 * crypt(3), passwords of 0 to 160 bytes, ASCII, UTF-8 cut at any byte, and bytes that are no text.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { MADE_SCHEMES, makeHash } from '../../src/password/make.ts'
import { Secret } from '../../src/secret.ts'
import { suite } from '../servers/suite.ts'
import { ask, poolFor } from './pools.ts'

interface Vector {
  readonly source: string
  readonly hash: string
  readonly password: Buffer
}

const FILE = join(import.meta.dirname, '../vectors/hashes.tsv')

function readVectors(): Vector[] {
  const patterns = new Map<string, Buffer>()
  const vectors: Vector[] = []
  for (const line of readFileSync(FILE, 'utf8').trimEnd().split('\n')) {
    const pattern = /^# (\w+) ([0-9a-f]+)$/.exec(line)
    if (pattern !== null) {
      patterns.set(pattern[1] ?? '', Buffer.from(pattern[2] ?? '', 'hex'))
      continue
    }
    const [source = '', hash = '', password = ''] = line.split('\t')
    const [name = '', length = ''] = password.split(' ')
    const bytes = patterns.get(name)
    if (bytes === undefined) throw new Error(`no pattern ${name}`)
    vectors.push({ source, hash, password: bytes.subarray(0, Number(length)) })
  }
  return vectors
}

const VECTORS = readVectors()
const schemeOf = ({ hash }: Vector) => hash.slice(1, hash.indexOf('}'))

/** A few at a time: the pool's queue is bounded. */
async function inTurn<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values()
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (const item of waiting) await work(item)
    }),
  )
}

t.test('what real programs made matches, and nothing near it does', async (t) => {
  const pool = poolFor(t)
  const wrong: string[] = []
  const counts = new Map<string, number>()
  await inTurn(VECTORS, async (vector) => {
    const { source, hash, password } = vector
    const say = (what: string) =>
      wrong.push(`${what}: ${source} ${hash.slice(0, 30)} length ${password.length}`)
    if ((await ask(pool, hash, password)) !== 'match') say('no match')
    // bcrypt sees 72 bytes and DES 8; below that, one changed bit counts (DES ignores the eighth of each byte).
    const seen =
      /\$2[abxy]\$/.test(hash) || schemeOf(vector) === 'BLF-CRYPT' ? 72 : isDes(hash) ? 8 : Infinity
    const at = Math.min(password.length, seen) - 1
    // $2x$ loses bytes before one over 127: different passwords have one hash by its nature.
    if (at >= 0 && !hash.includes('$2x$')) {
      const changed = Buffer.from(password)
      changed[at] = (changed[at] ?? 0) ^ 1
      if (!changed.includes(0) && (await ask(pool, hash, changed)) !== 'mismatch') say('last byte changed')
    }
    if (password.length < seen) {
      const longer = Buffer.concat([password, Buffer.from('x')])
      if ((await ask(pool, hash, longer)) !== 'mismatch') say('one byte more')
    }
    counts.set(source, (counts.get(source) ?? 0) + 1)
  })
  t.same(wrong.slice(0, 20), [])
  t.ok(
    (counts.get('crypt') ?? 0) > 1000 && (counts.get('doveadm') ?? 0) > 250 && (counts.get('php') ?? 0) > 150,
  )
})

function isDes(hash: string): boolean {
  return /^\{(?:CRYPT|DES-CRYPT)\}[^$]{13}$/.test(hash)
}

t.test('each length from 0 to 160 is among the vectors of sha-crypt and argon2', (t) => {
  for (const beginning of ['{CRYPT}$5$', '{CRYPT}$6$', '{CRYPT}$1$', '{CRYPT}$2y$', '{ARGON2I']) {
    const lengths = new Set(
      VECTORS.filter(({ hash }) => hash.startsWith(beginning)).map(({ password }) => password.length),
    )
    for (let length = beginning === '{ARGON2I' ? 0 : 1; length <= 160; length += 1) {
      if (!lengths.has(length)) t.fail(`${beginning} has no password of ${length} bytes`)
    }
    t.ok(lengths.size > 150, `${beginning}: ${lengths.size} lengths`)
  }
  t.end()
})

t.test('bcryptjs answers as the native build, or unusable where it cannot know', async (t) => {
  const pool = poolFor(t, { nativeBcrypt: null })
  const wrong: string[] = []
  let beyond = 0
  const ofBcrypt = VECTORS.filter(({ hash, password }) => hash.includes('}$2') && password.length % 5 === 0)
  await inTurn(ofBcrypt, async ({ hash, password }) => {
    const answer = await ask(pool, hash, password)
    const isText = Buffer.from(password.toString('utf8')).equals(password)
    if (typeof answer === 'object' && (!isText || hash.includes('$2x$'))) beyond++
    else if (answer !== 'match') wrong.push(hash)
  })
  t.same(wrong, [])
  t.ok(beyond > 0 && beyond < ofBcrypt.length / 2, `${beyond} of ${ofBcrypt.length} are beyond it`)
})

t.test("FreeIPA's PBKDF2-SHA512, which none of those programs writes", async (t) => {
  const pool = poolFor(t)
  const salt = Buffer.from('0123456789abcdef')
  for (const keyBytes of [32, 64]) {
    const key = pbkdf2Sync('pässwort', salt, 1000, keyBytes, 'sha512')
    const hash = `{PBKDF2-SHA512}1000$${salt.toString('base64')}$${key.toString('base64')}`
    t.equal(await ask(pool, hash, 'pässwort'), 'match')
    t.equal(await ask(pool, hash, 'passwort'), 'mismatch')
  }
})

t.test('every hash that is made here verifies here', async (t) => {
  const pool = poolFor(t)
  for (const scheme of MADE_SCHEMES) {
    for (const password of ['x', 'pässwört', 'a'.repeat(100)]) {
      const hash = await makeHash(scheme, Secret.fromText(password))
      t.ok(hash.startsWith(`{${scheme}}`), scheme)
      t.equal(await ask(pool, hash, password), 'match', scheme)
      t.equal(await ask(pool, hash, `${password.slice(0, 60)}!`), 'mismatch', scheme)
    }
  }
})

const DOVEADM = '/usr/bin/doveadm'
suite(
  'what is made here verifies with doveadm pw',
  [existsSync(DOVEADM) ? undefined : 'no doveadm (npm run servers)'],
  async (t) => {
    for (const scheme of MADE_SCHEMES) {
      // Dovecot knows no PBKDF2-SHA512.
      if (scheme === 'PBKDF2-SHA512') continue
      const hash = await makeHash(scheme, Secret.fromText('pässwört'))
      const said = execFileSync(DOVEADM, ['pw', '-t', hash, '-p', 'pässwört'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      t.match(said, /verified/, scheme)
    }
  },
)

suite(
  'doveadm pw and the pool agree on odd spellings',
  [existsSync(DOVEADM) ? undefined : 'no doveadm (npm run servers)'],
  async (t) => {
    const pool = poolFor(t)
    const cases: [hash: string, password: string][] = [
      ['{PLAIN-TRUNC}4-test', 'testing'],
      ['{PLAIN-TRUNC}04-test', 'testing'],
      ['{PLAIN-TRUNC}5-test', 'testing'],
      ['{PLAIN-TRUNC}5-test', 'test'],
      ['{PLAIN-TRUNC}3-test', 'test'],
      ['{PLAIN-TRUNC}-test', 'test'],
      ['{PLAIN-TRUNC}4-test', 'tes'],
      ['{SHA}a94a8fe5ccb19ba61c4c0873d391e987982fbbd3', 'test'],
      ['{SHA}A94A8FE5CCB19BA61C4C0873D391E987982FBBD3', 'test'],
      ['{sha.base64}qUqP5cyxm6YcTAhz05Hph5gvu9M=', 'test'],
      ['{SSHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=', 'test'],
      ['{SSHA}774e81e4d46c1d805f138c84eabb0b8d3b2e719ee9879535', 'test'],
      ['{SSHA.HEX}774e81e4d46c1d805f138c84eabb0b8d3b2e719ee9879535', 'test'],
      ['{PLAIN-MD5}CY9rzUYh03PK3k6DJie09g==', 'test'],
      ['{LDAP-MD5}098f6bcd4621d373cade4e832627b4f6', 'test'],
      ['{PLAIN}a}b', 'a}b'],
      ['{PLAIN}1000', '1e3'],
      ['{PBKDF2}$1$9TlkC2ViUmUteP0R$5000$7E8373018653685637A6CF17DE94866FEB32ECF0', 'test'],
      ['{PBKDF2}$1$salt$1$7E83', 'test'],
      ['{SHA.xx}qUqP5cyxm6YcTAhz05Hph5gvu9M=', 'test'],
      ['{SMD5}80CW7WDd8ZKWECeNv2rv6khQeQA=', 'test'],
      ['{SHA1}qUqP5cyxm6YcTAhz05Hph5gvu9M=x', 'test'],
    ]
    for (const [hash, password] of cases) {
      const theirs = spawnSync(DOVEADM, ['pw', '-t', hash, '-p', password], { encoding: 'utf8' })
      const ours = await ask(pool, hash, password)
      t.equal(ours === 'match', theirs.stdout.includes('(verified)'), `${hash} ${password}`)
    }
  },
)

/** Why a suite that runs `command` cannot, or undefined. */
function commandMissing(command: string): string | undefined {
  return spawnSync(command, ['-v'], { stdio: 'ignore' }).status === 0 ? undefined : `no ${command}`
}

suite('crypt(3) and the pool agree on random passwords', [commandMissing('perl')], async (t) => {
  const pool = poolFor(t)
  const script = 'binmode STDOUT; print crypt(pack("H*", $_), $ARGV[0]), "\\n" for @ARGV[1 .. $#ARGV]'
  const bcrypt = '$2x$04$abcdefghijklmnopqrstuu'
  for (const setting of ['$1$ab$', '$5$rounds=1000$salt$', '$6$rounds=1001$saltsalt$', bcrypt, 'zz']) {
    // crypt(3) ends passwords at a NUL, and takes 511 bytes at most.
    const passwords = Array.from({ length: 40 }, (_, at) => randomBytes(at * 12).map((byte) => byte || 1))
    const hexes = passwords.map((password) => Buffer.from(password).toString('hex'))
    const hashes = execFileSync('perl', ['-e', script, '--', setting, ...hexes], {
      encoding: 'latin1',
    }).split('\n')
    for (const [at, password] of passwords.entries()) {
      const answer = await ask(pool, `{CRYPT}${hashes[at] ?? ''}`, password)
      if (answer !== 'match') t.same(answer, 'match', `${setting} ${hexes[at]}`)
    }
  }
})

suite("PHP's password_verify verifies what is made here", [commandMissing('php')], async (t) => {
  const script = 'exit(password_verify(hex2bin($argv[1]), $argv[2]) ? 0 : 1);'
  const password = 'Pässwört €'
  for (const scheme of ['BLF-CRYPT', 'ARGON2I', 'ARGON2ID', 'SHA256-CRYPT', 'SHA512-CRYPT']) {
    const hash = (await makeHash(scheme, Secret.fromText(password))).slice(scheme.length + 2)
    const verdict = spawnSync('php', ['-r', script, '--', Buffer.from(password).toString('hex'), hash])
    t.equal(verdict.status, 0, scheme)
  }
})
