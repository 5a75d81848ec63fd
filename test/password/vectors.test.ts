/**
 * Hashes that real programs made (test/vectors/make.pl) are verified here, and hashes made here by real programs, as
 * far as they are installed.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { MADE_SCHEMES, makeHash } from '../../src/password/make.ts'
import { Secret } from '../../src/secret.ts'
import { poolOf, ticketOf } from './pool-of.ts'

interface Vector {
  readonly source: string
  readonly hash: string
  readonly password: Buffer
  /** As it stands in the file, for messages. */
  readonly label: string
}

function readVectors(): Vector[] {
  const patterns = new Map<string, Buffer>()
  const vectors: Vector[] = []
  const text = readFileSync(new URL('../vectors/hashes.tsv', import.meta.url), 'utf8')
  for (const line of text.split('\n').filter((line) => line !== '')) {
    const [, name, hex] = /^# (\w+) ([0-9a-f]+)$/.exec(line) ?? []
    if (name !== undefined && hex !== undefined) {
      patterns.set(name, Buffer.from(hex, 'hex'))
      continue
    }
    const [source = '', hash = '', label = ''] = line.split('\t')
    const [pattern = '', length = ''] = label.split(' ')
    const bytes = patterns.get(pattern)
    if (bytes === undefined) throw new Error(`no pattern in ${line}`)
    vectors.push({ source, hash, password: bytes.subarray(0, Number(length)), label })
  }
  return vectors
}

/** Another password: one with the first byte's lowest bit changed, which counts in every scheme but one. */
function altered({ hash, password }: Vector): Buffer {
  // $2x$ forgets up to three bytes before one over 127: that is why it is weak.
  if (password.length === 0 || hash.includes('$2x$')) return Buffer.from('another')
  const other = Buffer.from(password)
  other[0] = (other[0] ?? 0) ^ 1
  return other
}

const vectors = readVectors()

t.test('every vector matches its password and no other', async (t) => {
  const pool = poolOf(t)
  for (const source of ['crypt', 'doveadm', 'php']) {
    const ofSource = vectors.filter((vector) => vector.source === source)
    t.ok(ofSource.length > 100, `${ofSource.length} vectors of ${source}`)
    for (const vector of ofSource) {
      const { hash, password, label } = vector
      const right = await pool.verify(hash, Secret.copyOf(password), ticketOf())
      if (right !== 'match') t.same(right, 'match', `${hash} ${label}`)
      const wrong = await pool.verify(hash, Secret.copyOf(altered(vector)), ticketOf())
      if (wrong !== 'mismatch') t.same(wrong, 'mismatch', `${hash} ${label}, altered`)
    }
  }
})

t.test(
  'lengths 0 to 160 are there for each kind of crypt(3), but where it ignores what follows',
  async (t) => {
    for (const kind of ['$1$', '$2x$', '$2y$', '$5$', '$6$', '$argon2']) {
      const lengths = new Set(
        vectors.filter(({ hash }) => hash.includes(`}${kind}`)).map(({ password }) => password.length),
      )
      for (let length = 0; length <= 160; length++)
        if (!lengths.has(length)) t.fail(`${kind} lacks ${length}`)
    }
  },
)

t.test('without the native build bcryptjs answers the same, or unusable where it cannot know', async (t) => {
  const pool = poolOf(t, { nativeBcrypt: null })
  let cannot = 0
  const ofBcrypt = vectors.filter(({ hash, password }) => /\}\$2/.test(hash) && password.length % 5 === 0)
  t.ok(ofBcrypt.length > 50)
  for (const { hash, password, label } of ofBcrypt) {
    const answer = await pool.verify(hash, Secret.copyOf(password), ticketOf())
    if (typeof answer === 'object') {
      const isText = Buffer.from(password.toString('utf8')).equals(password)
      if (isText && !hash.includes('$2x$')) t.fail(`unusable: ${hash} ${label}`)
      cannot++
    } else if (answer !== 'match') t.same(answer, 'match', `${hash} ${label}`)
  }
  t.ok(cannot > 0, 'bytes that are not UTF-8 are said to be beyond it')
  const [first] = ofBcrypt.filter(({ password }) => password.length > 0)
  if (first === undefined) throw new Error('no vector')
  t.equal(await pool.verify(first.hash, Secret.copyOf(altered(first)), ticketOf()), 'mismatch')
})

/** Why a differential test cannot run here, or false. */
function missing(command: string, ...args: string[]): string | false {
  const isThere = spawnSync(command, args, { stdio: 'ignore' }).status === 0
  if (!isThere && process.env['MAILPASSD_REQUIRE_SERVERS'] === '1') throw new Error(`${command} is required`)
  return isThere ? false : `${command} is not installed`
}

t.test('doveadm pw verifies what is made here', { skip: missing('doveadm', 'pw', '-l') }, async (t) => {
  const password = 'Pässwört €'
  const known = execFileSync('doveadm', ['pw', '-l'], { encoding: 'utf8' }).split(/\s+/)
  for (const scheme of MADE_SCHEMES.filter((scheme) => known.includes(scheme))) {
    const hash = await makeHash(scheme, Secret.fromText(password))
    const right = spawnSync('doveadm', ['pw', '-t', hash, '-p', password], { encoding: 'utf8' })
    t.match(right.stdout, '(verified)', scheme)
    const wrong = spawnSync('doveadm', ['pw', '-t', hash, '-p', `${password}x`], { encoding: 'utf8' })
    t.not(wrong.status, 0, `${scheme}, wrong password`)
  }
})

t.test(
  'doveadm pw and the pool agree on odd spellings',
  { skip: missing('doveadm', 'pw', '-l') },
  async (t) => {
    const pool = poolOf(t)
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
      const theirs = spawnSync('doveadm', ['pw', '-t', hash, '-p', password], { encoding: 'utf8' })
      const ours = await pool.verify(hash, Secret.fromText(password), ticketOf())
      t.equal(ours === 'match', theirs.stdout.includes('(verified)'), `${hash} ${password}`)
    }
  },
)

t.test('crypt(3) and the pool agree on random passwords', { skip: missing('perl', '-v') }, async (t) => {
  const pool = poolOf(t)
  const script = 'binmode STDOUT; print crypt(pack("H*", $_), $ARGV[0]), "\\n" for @ARGV[1 .. $#ARGV]'
  for (const setting of [
    '$1$ab$',
    '$5$rounds=1000$salt$',
    '$6$rounds=1001$saltsalt$',
    '$2x$04$abcdefghijklmnopqrstuu',
    'zz',
  ]) {
    // crypt(3) ends passwords at a NUL, and takes 511 bytes at most.
    const passwords = Array.from({ length: 40 }, (_, at) => randomBytes(at * 12).map((byte) => byte || 1))
    const hexes = passwords.map((password) => Buffer.from(password).toString('hex'))
    const hashes = execFileSync('perl', ['-e', script, '--', setting, ...hexes], {
      encoding: 'latin1',
    }).split('\n')
    for (const [at, password] of passwords.entries()) {
      const answer = await pool.verify(`{CRYPT}${hashes[at] ?? ''}`, Secret.copyOf(password), ticketOf())
      if (answer !== 'match') t.same(answer, 'match', `${setting} ${hexes[at]}`)
    }
  }
})

t.test('PHP verifies what is made here', { skip: missing('php', '-v') }, async (t) => {
  const script = 'exit(password_verify(hex2bin($argv[1]), $argv[2]) ? 0 : 1);'
  const password = Buffer.from('Pässwört €')
  const schemes = ['BLF-CRYPT', 'ARGON2I', 'ARGON2ID', 'SHA256-CRYPT', 'SHA512-CRYPT']
  for (const scheme of schemes) {
    const hash = (await makeHash(scheme, Secret.copyOf(password))).slice(scheme.length + 2)
    const verdict = spawnSync('php', ['-r', script, '--', password.toString('hex'), hash])
    t.equal(verdict.status, 0, scheme)
  }
})
