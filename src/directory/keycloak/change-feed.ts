/**
 * Keycloak's events as a feed of changes. Pages are read from the newest backwards, each ending where the one before it
 * began: events that come meanwhile, or expire, shift nothing. No parameter is used that 26 alone knows (direction).
 */
import { MailpassdError, toMailpassdError } from '../../errors.ts'
import type { Change, ChangeFeed, ChangeWindow } from '../changes.ts'
import type { Endpoints } from './endpoints.ts'
import { changeSettings, eventsConfig } from './events-config.ts'
import { Forbidden } from './refusal.ts'
import {
  adminChange,
  adminEvents,
  READ_TYPES,
  userChange,
  userEvents,
  type AdminEvent,
  type UserEvent,
} from './event-shapes.ts'

/** Of each kind and window: what is beyond is told as missing. */
const MAX_EVENTS = 10_000
/** So that a page stays below the bound of an answer, with the representations that admin events may carry. */
const PAGE = 200
/** The page that is tried where a greater one was too long an answer. */
const SMALL_PAGE = 20

export interface ChangeFeedParts {
  readonly endpoints: Pick<Endpoints, 'adminEvents' | 'userEvents' | 'eventsConfig'>
  /** GET with our token: the parsed body of a 200. Throws MailpassdError directory_*. */
  readonly read: (what: string, path: string) => Promise<unknown>
  /** Never later than Keycloak's clock is; undefined where no token says. */
  readonly serverNowMs: () => number | undefined
  /** Makes the next reading of the realm's profile a new one. */
  readonly expireRules: () => void
}

interface Event {
  readonly time: number
}

export function createChangeFeed(parts: ChangeFeedParts): ChangeFeed {
  const { endpoints, read, serverNowMs } = parts
  /** As the settings say; an unknown type in the query would be answered with 500. */
  let types: readonly string[] = []
  let keepsAdminEvents = false

  async function readAdminPage(query: string): Promise<readonly AdminEvent[]> {
    const answer = await read('admin events', endpoints.adminEvents(query))
    if (!adminEvents.Check(answer)) throw unpromised('admin events')
    return answer
  }

  async function readUserPage(query: string): Promise<readonly UserEvent[]> {
    const only = types.map((type) => `&type=${encodeURIComponent(type)}`).join('')
    const answer = await read('user events', endpoints.userEvents(`${query}${only}`))
    if (!userEvents.Check(answer)) throw unpromised('user events')
    return answer
  }

  return {
    async settings() {
      const answer = await read('event settings', endpoints.eventsConfig).catch((thrown: unknown) => {
        if (thrown instanceof Forbidden) return 'hidden' as const
        throw thrown
      })
      if (answer === 'hidden') return 'hidden'
      if (!eventsConfig.Check(answer)) throw unpromised('event settings')
      const kept = answer.enabledEventTypes ?? []
      types = answer.eventsEnabled ? READ_TYPES.filter((type) => kept.includes(type)) : []
      keepsAdminEvents = answer.adminEventsEnabled
      return changeSettings(answer)
    },

    async begin() {
      // Asking makes a token, and with it the server's clock known.
      const newest = await Promise.all([
        keepsAdminEvents ? readAdminPage('max=1') : [],
        types.length > 0 ? readUserPage('max=1') : [],
      ])
      return serverNowMs() ?? Math.max(0, ...newest.flat().map(({ time }) => time))
    },

    async read(fromMs): Promise<ChangeWindow> {
      // Before the first request: what is made during it may be missing.
      const askedAtMs = serverNowMs()
      const [ofAdmins, ofUsers] = await Promise.all([
        keepsAdminEvents ? readWindow(readAdminPage, fromMs, adminChange) : NOTHING,
        types.length > 0 ? readWindow(readUserPage, fromMs, userChange) : NOTHING,
      ])
      const newestMs = Math.max(ofAdmins.newestMs, ofUsers.newestMs)
      return {
        changes: [...ofAdmins.changes.values(), ...ofUsers.changes.values()],
        asOfMs: askedAtMs ?? (Number.isFinite(newestMs) ? newestMs : undefined),
        isCut: ofAdmins.isCut || ofUsers.isCut,
      }
    },

    expireRules: () => parts.expireRules(),
  }
}

interface Read {
  readonly changes: ReadonlyMap<string, Change>
  readonly newestMs: number
  readonly isCut: boolean
}

const NOTHING: Read = { changes: new Map(), newestMs: Number.NEGATIVE_INFINITY, isCut: false }

/**
 * All pages from the newest event back to `fromMs`. Events of one millisecond come in any order (a partial import dates
 * 200 to one, on 26.7.3), so that places are never counted: each page begins with all of the millisecond in which the one
 * before it ended, and is made longer where it holds nothing else.
 */
async function readWindow<E extends Event>(
  readPage: (query: string) => Promise<readonly E[]>,
  fromMs: number,
  changeOf: (event: E) => Change | undefined,
): Promise<Read> {
  const changes = new Map<string, Change>()
  let newestMs = Number.NEGATIVE_INFINITY
  let count = 0
  let usual = PAGE
  let page = usual
  let untilMs: number | undefined
  while (count < MAX_EVENTS) {
    const end = untilMs === undefined ? '' : `&dateTo=${untilMs}`
    let events: readonly E[]
    try {
      events = await readPage(`dateFrom=${Math.max(0, Math.floor(fromMs))}${end}&max=${page}`)
    } catch (error) {
      if (toMailpassdError(error).code !== 'directory_invalid' || page === SMALL_PAGE) throw error
      // A page that had to be longer is too long an answer: what it would hold is missed.
      if (page > usual) break
      page = usual = SMALL_PAGE
      continue
    }
    count += events.length
    let oldestMs = Number.POSITIVE_INFINITY
    for (const event of events) {
      newestMs = Math.max(newestMs, event.time)
      oldestMs = Math.min(oldestMs, event.time)
      const change = changeOf(event)
      if (change !== undefined) changes.set(change.id, change)
    }
    if (events.length < page) return { changes, newestMs, isCut: false }
    if (oldestMs === untilMs) {
      page *= 2
      continue
    }
    untilMs = oldestMs
    page = usual
  }
  return { changes, newestMs, isCut: true }
}

function unpromised(what: string): MailpassdError {
  return new MailpassdError('directory_invalid', `${what}: the answer is not what the API promises`)
}
