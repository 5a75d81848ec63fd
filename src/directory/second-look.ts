/**
 * Looks a user up again of whom an event told: the record of an e-mail that is new to somebody is old now, records in
 * use are replaced before the next login asks for them, and where the user is disabled or gone, live sessions end.
 *
 * Nothing is concluded from an event itself: it may be of something undone since. A directory that does not answer ends
 * nobody's session; the user is looked up again until it does. At most 20 a second, so that a mass operation does not
 * become a load on the directory.
 *
 * Each is looked up twice, the second time some seconds later: right after a change Keycloak was seen to answer for a
 * moment as if there had been none (26.7.3, where others read the user at the same time), and that answer would be taken
 * for a fresh one.
 */
import type { Cancel, Clock } from '../clock.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { DirectoryUser } from './user.ts'

export interface Departed {
  readonly id: string
  readonly cause: 'user_disabled' | 'user_deleted'
}

/** Who ends sessions. Throws MailpassdError store_*. */
export interface Departures {
  /** Of these users (500 at most) those who have a mailbox. */
  known(ids: readonly string[]): Promise<readonly string[]>
  /** Ends the live sessions of their mailboxes, once however often it is asked; gives the addresses of those that end by this call. */
  end(departed: readonly Departed[]): Promise<readonly string[]>
}

export interface SecondLooks {
  /** `onlyDepartures`: they are too many; only who has a mailbox is looked up, and only to see whether sessions end. */
  add(
    users: readonly { readonly id: string; readonly atMs: number }[],
    options: { readonly onlyDepartures: boolean },
  ): void
  /** When the oldest event happened whose user was not looked up yet, on the directory's clock. */
  oldestMs(): number | undefined
  pending(): number
  stop(): Promise<void>
}

export interface SecondLookParts {
  /** Throws MailpassdError directory_*. */
  readonly findById: (id: string) => Promise<DirectoryUser | undefined>
  readonly accounts: {
    /** The addresses whose record speaks of this user. */
    addressesOf(id: string): readonly string[]
    /** Looks the address up anew where its record is old. Never rejects. */
    refresh(address: string): Promise<void>
    changed(
      event:
        | { readonly kind: 'directory'; readonly address: string }
        | { readonly kind: 'directory_user'; readonly id: string }
        | { readonly kind: 'directory_newcomer' },
    ): void
  }
  /** Absent where no Dovecot is told to end sessions. */
  readonly departures?: Departures
  /** True while a mass change is held back as a fault of the directory (design §3 rule 14). */
  readonly isHeld: () => boolean
  readonly clock: Clock
  readonly logger: Logger
}

interface Look {
  readonly atMs: number
  readonly onlyDepartures: boolean
  /** It was looked up once since the event. */
  readonly isSecond: boolean
  /** Monotonic. */
  readonly notBeforeMs: number
}

const AT_ONCE = 4
const EVERY_MS = 50
const MAX_QUEUED = 10_000
const KNOWN_AT_ONCE = 500
/** After a look-up failed, for all of them; and while a mass change is held back. */
const PAUSE_MS = 5000
/** Until the second time. */
const AGAIN_MS = 2000
/** Ended in one transaction. */
const MAX_DEPARTED = 100
/** Addresses of one user that are refreshed; more than one is a realm that gives an address twice. */
const MAX_REFRESHED = 3

export function startSecondLooks(parts: SecondLookParts): SecondLooks {
  const { accounts, departures, clock, logger } = parts
  const queue = new Map<string, Look>()
  const running = new Map<string, { readonly atMs: number; readonly done: Promise<void> }>()
  const departed = new Map<string, Departed & { readonly atMs: number }>()
  let pausedUntilMs = Number.NEGATIVE_INFINITY
  let isFailing = false
  let isStopped = false
  let ending: Promise<void> | undefined
  let sorting: Promise<void> = Promise.resolve()
  let cancel: Cancel | undefined

  function put(id: string, look: Look): void {
    queue.delete(id)
    queue.set(id, look)
    if (queue.size <= MAX_QUEUED) return
    const oldest = queue.keys().next()
    if (oldest.done !== true) queue.delete(oldest.value)
    logger.warn({}, 'too many users changed at once: some are looked up at their next login only')
  }

  function wake(afterMs: number): void {
    if (isStopped || cancel !== undefined) return
    cancel = clock.after(afterMs, () => {
      cancel = undefined
      turn()
    })
  }

  /** Starts one look-up, if there is one to start, and comes again while there are more. */
  function turn(): void {
    const nowMs = clock.monotonicMs()
    if (nowMs < pausedUntilMs) return wake(pausedUntilMs - nowMs)
    if (running.size < AT_ONCE) {
      const next = nextDue(nowMs)
      if (next !== undefined) start(...next)
    }
    if (!isMoreDue()) endNow()
    if (queue.size > 0) wake(EVERY_MS)
  }

  /** Others of the same window are looked up first: a mass change shows in all of them. */
  function isMoreDue(): boolean {
    return running.size > 0 || nextDue(clock.monotonicMs()) !== undefined
  }

  function nextDue(nowMs: number): [string, Look] | undefined {
    for (const [id, look] of queue) if (look.notBeforeMs <= nowMs && !running.has(id)) return [id, look]
    return undefined
  }

  function start(id: string, look: Look): void {
    queue.delete(id)
    const done = lookAgain(id, look)
      .then(() => {
        isFailing = false
        if (look.isSecond || queue.has(id)) return
        put(id, { ...look, isSecond: true, notBeforeMs: clock.monotonicMs() + AGAIN_MS })
      })
      .catch((error: unknown) => {
        if (!isFailing) logger.warn({ err: error }, 'a changed user could not be looked up; tried again')
        isFailing = true
        pausedUntilMs = clock.monotonicMs() + PAUSE_MS
        accounts.changed({ kind: 'directory_newcomer' })
        if (!queue.has(id)) put(id, look)
      })
      .finally(() => {
        running.delete(id)
        if (departed.size >= MAX_DEPARTED || !isMoreDue()) endNow()
        wake(EVERY_MS)
      })
    running.set(id, { atMs: look.atMs, done })
  }

  async function lookAgain(id: string, { atMs, onlyDepartures, isSecond }: Look): Promise<void> {
    if (isSecond) accounts.changed({ kind: 'directory_user', id })
    const known = accounts.addressesOf(id)
    const [user] = await Promise.all([
      parts.findById(id),
      ...known.slice(0, MAX_REFRESHED).map((address) => accounts.refresh(address)),
    ])
    // Somebody may have been told that nobody has it, or that somebody else does.
    if (!onlyDepartures && user !== undefined && user.email !== '' && !known.includes(user.email))
      accounts.changed({ kind: 'directory', address: user.email })
    if (user?.lockedOut === true) logger.debug({ id }, 'a user is locked out: sessions go on')
    const cause = causeOf(user)
    if (departures !== undefined && cause !== undefined) departed.set(id, { id, cause, atMs })
    else departed.delete(id)
  }

  function endNow(): void {
    if (departures === undefined || departed.size === 0 || isStopped) return
    ending ??= endSessions(departures).finally(() => {
      ending = undefined
    })
  }

  async function endSessions(departures: Departures): Promise<void> {
    const batch = [...departed.values()].slice(0, MAX_DEPARTED)
    for (const { id } of batch) departed.delete(id)
    try {
      if (!parts.isHeld()) {
        const addresses = await departures.end(batch)
        if (addresses.length > 0)
          logger.info({ mailboxes: addresses.length }, 'sessions of disabled or deleted users end')
        return
      }
      logger.warn(
        { users: batch.length },
        'sessions of users who vanished are kept: too many vanished at once',
      )
    } catch (thrown) {
      logger.warn({ err: thrown }, 'the end of sessions could not be written down; tried again')
    }
    // Looked up once more then: they may be back.
    const notBeforeMs = clock.monotonicMs() + PAUSE_MS
    for (const { id, atMs } of batch) put(id, { atMs, onlyDepartures: true, isSecond: true, notBeforeMs })
    wake(PAUSE_MS)
  }

  async function sortOut(users: readonly { readonly id: string; readonly atMs: number }[]): Promise<void> {
    if (departures === undefined) return
    for (let at = 0; at < users.length; at += KNOWN_AT_ONCE) {
      const some = users.slice(at, at + KNOWN_AT_ONCE)
      // Where it cannot be found out, all are.
      const ids = some.map(({ id }) => id)
      const known = new Set(await departures.known(ids).catch(() => ids))
      for (const { id, atMs } of some) if (known.has(id)) put(id, { ...NOW, atMs, onlyDepartures: true })
    }
    wake(0)
  }

  return {
    add(users, { onlyDepartures }) {
      if (onlyDepartures) {
        sorting = sorting.then(() => sortOut(users))
        return
      }
      for (const { id, atMs } of users) put(id, { ...NOW, atMs, onlyDepartures })
      if (users.length > 0) wake(0)
    },
    oldestMs() {
      let oldestMs: number | undefined
      for (const { atMs } of [...queue.values(), ...running.values(), ...departed.values()])
        oldestMs = Math.min(oldestMs ?? atMs, atMs)
      return oldestMs
    },
    pending: () => queue.size + running.size + departed.size,
    async stop() {
      isStopped = true
      cancel?.()
      await sorting
      await Promise.all([...running.values()].map(({ done }) => done))
      await ending
    },
  }
}

const NOW = { isSecond: false, notBeforeMs: Number.NEGATIVE_INFINITY } as const

/**
 * Disabled or deleted. A lockout after failed logins is not: strangers can cause it (design §3). Nor is any other reason
 * to refuse the next login.
 */
function causeOf(user: DirectoryUser | undefined): Departed['cause'] | undefined {
  if (user === undefined) return 'user_deleted'
  return !user.enabled && !user.lockedOut ? 'user_disabled' : undefined
}
