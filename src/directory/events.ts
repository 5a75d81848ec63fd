/**
 * Reads the directory's events every few seconds, so that what was changed there counts at once and not when a record's
 * time is over. Each node reads for itself, because each has its own memory. All it ever does to what is known is
 * accounts.changed.
 *
 *   starting ──settings, position──> reading ──not kept any more──> not_kept, hidden
 *      ^                               │  ^                            │ looked at again every 15 s
 *      └── fails: tried again ─────────┘  └────────── everything ──────┘
 *
 * All times are the directory's: nothing depends on our clock and its agreeing. Windows overlap, because an event is kept
 * with its transaction's end and dated before it, and because a cluster has several clocks; what came before is known by
 * its id. A change between the end of one window's overlap and its own late commit is missed, and counts by rule 1.
 */
import type { Cancel, Clock } from '../clock.ts'
import type { Logger } from '../telemetry/logger.ts'
import { toMailpassdError, type ErrorCode } from '../errors.ts'
import type { Change, ChangeFeed, ChangeSettings, ChangeWindow } from './changes.ts'
import { missingWords, stateOf, type EventsState } from './event-state.ts'
import type { SecondLooks } from './second-look.ts'

/** What somebody learned; a part of account's AccountEvent. */
export type EventEffect =
  | { readonly kind: 'directory_user'; readonly id: string }
  | { readonly kind: 'directory_newcomer' }
  | { readonly kind: 'everything' }

/** Where reading goes on after a restart. Throws MailpassdError store_*. */
export interface EventPosition {
  load(): Promise<number | undefined>
  save(atMs: number): Promise<void>
}

export interface Events {
  state(): EventsState
  /**
   * True while nothing that the directory reported more than a few seconds ago is unknown here: all kinds of events are
   * kept, and the last window was read lately. Monotonic time.
   */
  onTime(nowMs: number): boolean
  /** Resolves when nothing runs any more and the position is kept. */
  stop(): Promise<void>
}

export interface EventsParts {
  readonly feed: ChangeFeed
  /** The realm's rules, to see whether a change of them is one for us. */
  readonly profile: () => Promise<object>
  readonly changed: (event: EventEffect) => void
  readonly looks: Pick<SecondLooks, 'add' | 'oldestMs' | 'pending' | 'stop'>
  readonly position: EventPosition
  readonly everyMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/** Each window begins so long before the last one was asked for. */
const OVERLAP_MS = 10_000
/** Now and then one that begins earlier: a partial import of thousands commits long after its events are dated. */
const LONG_OVERLAP_MS = 120_000
const LONG_EVERY_MS = 10_000
const SETTINGS_EVERY_MS = 15_000
const RETRY_MS = 5000
const SAVE_EVERY_MS = 15_000
/** Distinct users of one window that are each looked up again; beyond it is a mass operation. */
const MAX_LOOKS = 50
/** The clock is known by whole seconds, and by another token each few minutes. */
const CLOCK_STEP_MS = 2000
/** Where it is not shown how long events are kept, a position older than this is not trusted. */
const TRUSTED_MS = 24 * 60 * 60 * 1000
/** Two windows of 10,000 events of each kind. */
const MAX_SEEN = 40_000

/** Runs until it is stopped. */
export function startEvents(parts: EventsParts): Events {
  const { feed, changed, looks, clock, logger, everyMs } = parts
  let settings: ChangeSettings | 'hidden' | undefined
  let settingsAtMs = Number.NEGATIVE_INFINITY
  let positionMs: number | undefined
  /** Id -> when it happened, of all events in the long overlap. */
  const seen = new Map<string, number>()
  let rules: string | undefined
  let readAtMs: number | undefined
  let longAtMs = Number.NEGATIVE_INFINITY
  let savedAtMs = clock.monotonicMs()
  let savedMs: number | undefined
  let error: ErrorCode | undefined
  let count = 0
  let isStopped = false
  let cancel: Cancel = () => {}

  const isReadable = () => settings !== undefined && settings !== 'hidden'

  async function lookAtSettings(): Promise<void> {
    const before = settings
    const next = await feed.settings()
    settingsAtMs = clock.monotonicMs()
    settings = next
    const was = before === undefined ? undefined : missingWords(before)
    const now = missingWords(next)
    if (was === now) return
    if (now === '') logger.info({}, 'events of the directory are read')
    else
      logger.warn(
        { missing: now },
        'the directory does not tell all changes: they count when records are old',
      )
    // What happened while it was not kept is not told afterwards.
    if (was !== undefined && was !== '') changed({ kind: 'everything' })
  }

  /** The position after a restart, or where whoever knows nothing begins. */
  async function begin(keptMs: number | undefined): Promise<number> {
    const nowMs = await feed.begin()
    rules = await readRules()
    let stored: number | undefined
    try {
      stored = await parts.position.load()
    } catch (thrown) {
      logger.warn({ err: thrown }, 'where events were read to last is not known; reading begins now')
    }
    // What changed before now and was looked up before now is not told twice.
    changed({ kind: 'everything' })
    if (stored === undefined || stored > nowMs) return nowMs
    if (nowMs - stored <= (keptMs ?? TRUSTED_MS)) return stored
    logger.warn({ hours: hoursOf(nowMs - stored) }, 'older events than the directory keeps were not read')
    return nowMs
  }

  async function turn(): Promise<number> {
    const startedMs = clock.monotonicMs()
    if (startedMs - settingsAtMs >= SETTINGS_EVERY_MS) await lookAtSettings()
    if (settings === undefined || settings === 'hidden') return SETTINGS_EVERY_MS
    positionMs ??= await begin(settings.keptMs)
    const isLong = startedMs - longAtMs >= LONG_EVERY_MS
    const askedAtMs = clock.monotonicMs()
    const window = await feed.read(positionMs - (isLong ? LONG_OVERLAP_MS : OVERLAP_MS))
    if (isLong) longAtMs = startedMs
    await apply(window)
    // Also backwards: a server whose clock was set back would else not be heard until it is there again.
    positionMs = window.asOfMs ?? positionMs
    readAtMs = askedAtMs
    if (startedMs - savedAtMs >= SAVE_EVERY_MS) await save()
    return everyMs
  }

  async function apply(window: ChangeWindow): Promise<void> {
    const fresh = window.changes.filter(({ id }) => !seen.has(id))
    count += fresh.length
    let isEverything = false
    let isRules = false
    const users = new Map<string, Change>()
    for (const change of fresh) {
      seen.set(change.id, change.atMs)
      switch (change.what.kind) {
        case 'user': {
          const last = users.get(change.what.id)
          if (last === undefined || change.what.entire) users.set(change.what.id, change)
          break
        }
        case 'rules':
          isRules = true
          break
        case 'settings':
          settingsAtMs = Number.NEGATIVE_INFINITY
          break
        case 'everything':
          isEverything = true
      }
    }
    forgetSeen(window)
    const isLost = fresh.length > 0 ? window.isCut : false
    if (isLost || isGap(window)) {
      isEverything = true
      logger.warn({}, 'events were missed: what is known of users is read anew')
    }
    if (isEverything) changed({ kind: 'everything' })
    for (const id of users.keys()) changed({ kind: 'directory_user', id })
    lookAgain(users)
    if (isRules || isEverything) await lookAtRules()
  }

  /** What happened between was deleted before it was read; or the directory's clock was set back, and is not known. */
  function isGap({ asOfMs }: ChangeWindow): boolean {
    if (asOfMs === undefined || positionMs === undefined || settings === undefined || settings === 'hidden')
      return false
    return asOfMs - positionMs > (settings.keptMs ?? Infinity) || asOfMs < positionMs - CLOCK_STEP_MS
  }

  /** Whoever was written as a whole may have an e-mail that nobody had, or be disabled. */
  function lookAgain(users: ReadonlyMap<string, Change>): void {
    const entire = [...users].flatMap(([id, { what, atMs }]) =>
      what.kind === 'user' && what.entire ? [{ id, atMs }] : [],
    )
    const isMany = entire.length > MAX_LOOKS
    if (isMany) changed({ kind: 'directory_newcomer' })
    looks.add(entire, { onlyDepartures: isMany })
  }

  function forgetSeen({ asOfMs }: ChangeWindow): void {
    const beforeMs = (asOfMs ?? positionMs ?? 0) - 2 * LONG_OVERLAP_MS
    for (const [id, atMs] of seen) if (atMs < beforeMs || seen.size > MAX_SEEN) seen.delete(id)
  }

  async function lookAtRules(): Promise<void> {
    feed.expireRules()
    const next = await readRules()
    if (next === undefined || next === rules) return
    if (rules !== undefined) {
      logger.info({}, "the realm's rules were changed")
      changed({ kind: 'everything' })
    }
    rules = next
  }

  async function readRules(): Promise<string | undefined> {
    // Records carry the rules of their time, and are read anew when that is over.
    return parts.profile().then(
      (profile) => JSON.stringify(profile),
      () => undefined,
    )
  }

  async function save(): Promise<void> {
    if (positionMs === undefined) return
    const atMs = Math.floor(Math.min(positionMs, looks.oldestMs() ?? Infinity))
    savedAtMs = clock.monotonicMs()
    if (atMs === savedMs) return
    try {
      await parts.position.save(atMs)
      savedMs = atMs
    } catch (thrown) {
      logger.debug({ err: thrown }, 'where events were read to could not be kept')
    }
  }

  async function run(): Promise<void> {
    let nextMs = RETRY_MS
    try {
      nextMs = await turn()
      if (error !== undefined) logger.info({}, 'events of the directory are read again')
      error = undefined
    } catch (thrown) {
      const failure = toMailpassdError(thrown)
      if (error === undefined) logger.warn({ err: failure }, 'events of the directory cannot be read')
      error = failure.code
      // A role may have been taken away.
      if (failure.code === 'directory_refused') settingsAtMs = Number.NEGATIVE_INFINITY
    }
    if (!isStopped) cancel = clock.after(nextMs, again)
  }

  function again(): void {
    running = run()
  }

  let running = run()
  return {
    state: () => ({
      state: stateOf(settings, error, readAtMs),
      missing: settings === undefined || settings === 'hidden' ? [] : settings.missing,
      error,
      readAtMs,
      changes: count,
      pending: looks.pending(),
    }),
    onTime: (nowMs) =>
      isReadable() &&
      missingWords(settings) === '' &&
      readAtMs !== undefined &&
      nowMs - readAtMs <= Math.max(3 * everyMs, MIN_ON_TIME_MS),
    async stop() {
      isStopped = true
      cancel()
      await running
      await looks.stop()
      await save()
    },
  }
}

/** A busy event loop or a slow answer is no outage. */
const MIN_ON_TIME_MS = 5000

function hoursOf(ms: number): number {
  return Math.round(ms / 3_600_000)
}
