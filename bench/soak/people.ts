/** Who logs in during the soak, and what must never be answered to them. */
import bcrypt from 'bcryptjs'
import type { TestUser } from '../../test/servers/keycloak-realm.ts'
import type { Random } from './random.ts'

export const DOMAIN = 'soak.example'

export type Kind =
  /** Logged in before anything failed, from the same network all the time. */
  | 'known'
  /** The same with an app password. */
  | 'app_password'
  /** A right password that the daemon may see for the first time during a fault. */
  | 'newcomer'
  /** The right password of a user that is disabled from the beginning. */
  | 'disabled'
  /** A guess at a known user's mailbox, from elsewhere. */
  | 'guess'
  /** A name nobody has. */
  | 'unknown'

export interface Attempt {
  readonly kind: Kind
  readonly username: string
  readonly password: string
  readonly remoteIp: string
}

const KNOWN = 200
const NEWCOMERS = 400
const DISABLED = 20
/** What share of the attempts is of each kind. */
const SHARES: readonly (readonly [Kind, number])[] = [
  ['known', 0.7],
  ['app_password', 0.1],
  ['newcomer', 0.05],
  ['disabled', 0.03],
  ['guess', 0.08],
  ['unknown', 0.04],
]

const address = (kind: Kind, at: number): string => `${kind}${at}@${DOMAIN}`
const passwordOf = (username: string): string => `right of ${username}`
const ipOf = (at: number): string => `198.51.${100 + (at >> 8)}.${at & 0xff}`

function user(username: string, isEnabled: boolean): TestUser {
  return {
    username: username.replace('@', '.at.'),
    email: username,
    enabled: isEnabled,
    attributes: { mailcow_password: [`{BLF-CRYPT}${bcrypt.hashSync(passwordOf(username), 5)}`] },
  }
}

/** Everybody whom the realm has. */
export function realmUsers(): TestUser[] {
  const many = (kind: Kind, count: number): TestUser[] =>
    Array.from({ length: count }, (_, at) => user(address(kind, at), kind !== 'disabled'))
  return [...many('known', KNOWN), ...many('newcomer', NEWCOMERS), ...many('disabled', DISABLED)]
}

/** One attempt of each known user: what happens before the faults begin. */
export function introductions(): Attempt[] {
  return Array.from({ length: KNOWN }, (_, at) => right('known', at))
}

function right(kind: 'known' | 'newcomer' | 'disabled', at: number): Attempt {
  const username = address(kind, at)
  return { kind, username, password: passwordOf(username), remoteIp: ipOf(at) }
}

/** `appPasswords` by address, made before the run. */
export function anyAttempt(random: Random, appPasswords: ReadonlyMap<string, string>): Attempt {
  const kind = anyKind(random)
  const known = random.integer(0, KNOWN - 1)
  const elsewhere = `203.0.113.${random.integer(1, 254)}`
  switch (kind) {
    case 'known':
      return right('known', known)
    case 'newcomer':
      return right('newcomer', random.integer(0, NEWCOMERS - 1))
    case 'disabled':
      return right('disabled', random.integer(0, DISABLED - 1))
    case 'app_password': {
      const [username, password] = random.pick([...appPasswords])
      const at = Number(/\d+/.exec(username)?.[0])
      return { kind, username, password, remoteIp: ipOf(at) }
    }
    case 'guess':
      return {
        kind,
        username: address('known', known),
        password: `guess ${random.integer(0, 1_000_000)}`,
        remoteIp: elsewhere,
      }
    case 'unknown':
      return {
        kind,
        username: `nobody${random.integer(0, 1_000_000)}@${DOMAIN}`,
        password: 'whatever',
        remoteIp: elsewhere,
      }
  }
}

function anyKind(random: Random): Kind {
  let left = random.next()
  for (const [kind, share] of SHARES) {
    if (left < share) return kind
    left -= share
  }
  return 'known'
}

export const MAY_LOG_IN: ReadonlySet<Kind> = new Set(['known', 'app_password', 'newcomer'])

/** `later` is every answer that says "not now": throttled, temp_fail, a closed connection. */
export type Answer = 'ok' | 'refused' | 'later'

/** What is wrong about an answer, or undefined. */
export function faultOf({ kind }: Pick<Attempt, 'kind'>, answer: Answer): string | undefined {
  if (MAY_LOG_IN.has(kind)) return answer === 'refused' ? 'a right password was called wrong' : undefined
  return answer === 'ok' ? 'somebody got in who must not' : undefined
}
