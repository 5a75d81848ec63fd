/**
 * Every scheme against hashes that real programs made (test/vectors/make.pl): doveadm pw, PHP's password_hash and
 * crypt(3), passwords of 0 to 160 bytes, ASCII, UTF-8 cut at any byte, and bytes that are no text.
 */
import { execFileSync } from 'node:child_process'
import { pbkdf2Sync } from 'node:crypto'
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
