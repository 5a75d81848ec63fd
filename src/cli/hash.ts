/** `mailpassd hash make` and `mailpassd hash verify`: hashes for the directory's attribute, and trying them. */
import type { Readable } from 'node:stream'
import { systemClock } from '../clock.ts'
import type { HashAnswer } from '../credential/hash-verifier.ts'
import { EXIT, MailpassdError, type ExitCode } from '../errors.ts'
import { BCRYPT_KEY_BYTES } from '../password/bcrypt.ts'
import { DEFAULT_SCHEME, MADE_SCHEMES, makeHash } from '../password/make.ts'
import { createPasswordPool, type PasswordPool } from '../password/pool.ts'
import type { Ticket } from '../policy/ticket.ts'
import { Secret } from '../secret.ts'
import { parseArguments } from './args.ts'
import type { Command, Io } from './command.ts'
import { readPassword } from './read-password.ts'

export const hashMake: Command = {
  name: 'hash make',
  summary: 'Make a password hash, ready for the directory',
  help: `Usage: mailpassd hash make [-s SCHEME] [--json]

Makes a hash of a password. Put it as it is printed into the user's attribute
mailcow_password in Keycloak (or the one that directory.password_attribute names).

On a terminal the password is asked for twice and not shown; otherwise it is the
first line of stdin.

Options:
  -s, --scheme SCHEME  ${MADE_SCHEMES.slice(0, 5).join(', ')},
                       ${MADE_SCHEMES.slice(5).join(', ')};
                       default ${DEFAULT_SCHEME}
  --json               {"scheme": …, "hash": …}

Example:
  printf '%s\\n' "$PASSWORD" | mailpassd hash make -s ARGON2ID
`,
  async run(args, io) {
    const given = parseArguments('hash make', args, {
      text: ['scheme'],
      flags: ['json'],
      short: { s: 'scheme' },
    })
    const scheme = (given.text('scheme') ?? DEFAULT_SCHEME).toUpperCase()
    if (!MADE_SCHEMES.includes(scheme)) {
      throw new MailpassdError('usage', `hash make: SCHEME is one of ${MADE_SCHEMES.join(', ')}`)
    }
    const secret = await readPassword(io, 'Password: ', 'Once more: ')
    try {
      const hash = await makeHash(scheme, secret)
      if (scheme === 'BLF-CRYPT' && secret.byteLength > BCRYPT_KEY_BYTES) {
        io.err(`mailpassd: of this password only the first ${BCRYPT_KEY_BYTES} bytes count with ${scheme}\n`)
      }
      io.out(given.flag('json') ? `${JSON.stringify({ scheme, hash })}\n` : `${hash}\n`)
      return EXIT.ok
    } finally {
      secret.wipe()
    }
  },
}

export const hashVerify: Command = {
  name: 'hash verify',
  summary: 'Compare a password with a hash',
  help: `Usage: mailpassd hash verify HASH [--json]
       mailpassd hash verify --tsv

Compares a password with a hash such as '{BLF-CRYPT}$2y$10$…' (quote it: shells
replace $2y). On a terminal the password is asked for and not shown; otherwise it
is the first line of stdin. Prints match, mismatch or unusable; what is wrong with
an unusable hash is told on stderr.

Being a tool it compares weak schemes too, whatever password.allow_weak says.

Options:
  --tsv   read lines HASH<TAB>PASSWORD from stdin, the password as a JSON string;
          print match, mismatch or unusable for each, in their order
  --json  {"result": …, "reason": …}

Exit codes: 0 match, 1 mismatch, 65 unusable; with --tsv 0 once all lines are read.
`,
  async run(args, io) {
    const given = parseArguments('hash verify', args, { flags: ['tsv', 'json'], positionals: ['HASH?'] })
    const [hash] = given.positionals
    const isTsv = given.flag('tsv')
    if (isTsv && hash !== undefined) throw new MailpassdError('usage', 'hash verify: --tsv takes no HASH')
    if (isTsv && given.flag('json')) throw new MailpassdError('usage', 'hash verify: --tsv has no --json')
    if (!isTsv && hash === undefined) {
      throw new MailpassdError('usage', 'hash verify: HASH is missing; see: mailpassd hash verify --help')
    }
    const pool = createPasswordPool({ allowWeak: true, argon2MemoryMib: 512, workers: 0, clock: systemClock })
    try {
      return hash === undefined
        ? await verifyLines(pool, io)
        : await verifyOne(pool, hash, given.flag('json'), io)
    } finally {
      await pool.close()
    }
  },
}

/** Nobody else waits for this process. Each line is one of its own: a mailbox does not get all cores. */
function ticketOf(line: number): Ticket {
  return { lane: 'known', networks: [], mailbox: `line ${line}`, delayMs: 0, deadlineMs: Infinity }
}

async function verifyOne(pool: PasswordPool, hash: string, isJson: boolean, io: Io): Promise<ExitCode> {
  const secret = await readPassword(io, 'Password: ')
  const answer = await pool.verify(hash, secret, ticketOf(1))
  secret.wipe()
  const reason = reasonOf(answer)
  io.out(`${isJson ? JSON.stringify({ result: wordOf(answer), reason }) : wordOf(answer)}\n`)
  if (reason !== undefined && !isJson) io.err(`mailpassd: ${reason}${quotingHint(hash)}\n`)
  return answer === 'match' ? EXIT.ok : answer === 'mismatch' ? EXIT.failed : EXIT.data
}

/** `"{BLF-CRYPT}$2y$10$…"` and `$2y$…` alone are the usual mistakes. */
function quotingHint(hash: string): string {
  return /^\{[^}]+\}./.test(hash)
    ? ''
    : "; a hash begins with its scheme: '{BLF-CRYPT}$2y$10$…', in single quotes"
}

function wordOf(answer: HashAnswer): 'match' | 'mismatch' | 'unusable' {
  return answer === 'match' || answer === 'mismatch' ? answer : 'unusable'
}

function reasonOf(answer: HashAnswer): string | undefined {
  if (answer === 'busy') return 'the comparison could not be run'
  return typeof answer === 'object' ? answer.unusable : undefined
}

/** Longest line: a hash of 1 KiB and a password of 1 KiB with every byte as \\u00XX fit many times. */
const MAX_TSV_LINE_BYTES = 64 * 1024

/** Lines that may be under way; below the bound of one share in the pool's queue. */
const MAX_LINES_UNDER_WAY = 64

async function verifyLines(pool: PasswordPool, io: Io): Promise<ExitCode> {
  const answers: (HashAnswer | Promise<HashAnswer>)[] = []
  const tellOldest = async (): Promise<void> => {
    const answer = await answers.shift()
    if (answer !== undefined) io.out(`${wordOf(answer)}\n`)
  }
  let count = 0
  for await (const line of linesOf(io.stdin)) {
    count += 1
    answers.push(verifyLine(pool, line, ticketOf(count)))
    if (answers.length >= MAX_LINES_UNDER_WAY) await tellOldest()
  }
  while (answers.length > 0) await tellOldest()
  return EXIT.ok
}

const MALFORMED: HashAnswer = { unusable: 'malformed line' }

function verifyLine(
  pool: PasswordPool,
  line: Buffer | null,
  ticket: Ticket,
): HashAnswer | Promise<HashAnswer> {
  // The last tab: a JSON string has none, a plain password in the hash may.
  const tab = line?.lastIndexOf(0x09) ?? -1
  if (line === null || tab < 0) return MALFORMED
  try {
    const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    const hash = utf8.decode(line.subarray(0, tab))
    const password: unknown = JSON.parse(utf8.decode(line.subarray(tab + 1)))
    // A lone surrogate has no bytes in UTF-8.
    if (typeof password !== 'string' || !password.isWellFormed()) return MALFORMED
    return pool.verify(hash, Secret.fromText(password), ticket)
  } catch {
    return MALFORMED
  }
}

/** The lines of `stdin` without their ends; null for one that is too long, which is skipped as it comes. */
async function* linesOf(stdin: Readable): AsyncGenerator<Buffer | null> {
  let pieces: Buffer[] = []
  let byteLength = 0
  const take = (): Buffer | null => {
    const line = byteLength > MAX_TSV_LINE_BYTES ? null : Buffer.concat(pieces)
    pieces = []
    byteLength = 0
    return line
  }
  const add = (piece: Buffer): void => {
    byteLength += piece.length
    if (byteLength > MAX_TSV_LINE_BYTES) pieces = []
    else if (piece.length > 0) pieces.push(piece)
  }
  for await (const chunk of stdin) {
    const bytes: Buffer = typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk
    let start = 0
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
      add(bytes.subarray(start, end))
      yield take()
      start = end + 1
    }
    add(bytes.subarray(start))
  }
  if (byteLength > 0) yield take()
}
