/** Reading of events as the configuration wants it, for whoever starts it and whoever asks how it goes. */
import type { Clock } from '../clock.ts'
import type { DirectoryConfig } from '../config/schema.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Directory } from './directory.ts'
import type { EventsState } from './event-state.ts'
import { startEvents, type EventEffect, type EventPosition, type Events } from './events.ts'
import { startSecondLooks, type Departures, type SecondLookParts } from './second-look.ts'

export interface EventReadingState extends Omit<EventsState, 'state'> {
  /** `none`: this directory tells of no changes; `off`: by configuration. */
  readonly state: EventsState['state'] | 'none' | 'off'
  readonly isOnTime: boolean
}

export interface EventReading {
  /** `sessionsEnd` is called when the end of sessions was written down. */
  start(then: { readonly sessionsEnd: () => void }): void
  state(): EventReadingState
  /** Events.onTime; false where none are read. */
  onTime(nowMs: number): boolean
  /** Somebody configured that events are read, and they are not. */
  isMissed(): boolean
  stop(): Promise<void>
}

export interface EventReadingParts {
  readonly config: Pick<DirectoryConfig, 'events' | 'events_seconds'>
  readonly directory: Pick<Directory, 'changes' | 'findById' | 'profile'>
  readonly accounts: {
    addressesOf(id: string): readonly string[]
    refresh(address: string): Promise<void>
    changed(event: EventEffect | { readonly kind: 'directory'; readonly address: string }): void
  }
  readonly position: EventPosition
  readonly departures?: Departures
  readonly isHeld: SecondLookParts['isHeld']
  readonly clock: Clock
  readonly logger: Logger
}

export function openEventReading(parts: EventReadingParts): EventReading {
  const { config, directory, accounts, departures, position, isHeld, clock, logger } = parts
  const { changes: feed } = directory
  const isOff = config.events === 'off' || config.events_seconds === 0
  let events: Events | undefined

  function begin(feed: NonNullable<typeof parts.directory.changes>, sessionsEnd: () => void): Events {
    const looks = startSecondLooks({
      findById: (id) => directory.findById(id),
      accounts,
      ...(departures === undefined ? {} : { departures: telling(departures, sessionsEnd) }),
      isHeld,
      clock,
      logger,
    })
    return startEvents({
      feed,
      profile: () => directory.profile(),
      changed: (event) => accounts.changed(event),
      looks,
      position,
      everyMs: config.events_seconds * 1000,
      clock,
      logger,
    })
  }

  return {
    start({ sessionsEnd }) {
      if (feed !== undefined && !isOff) events ??= begin(feed, sessionsEnd)
    },
    state() {
      const state = events?.state() ?? { ...NOTHING, state: stateWithout(feed !== undefined, isOff) }
      return { ...state, isOnTime: events?.onTime(clock.monotonicMs()) ?? false }
    },
    onTime: (nowMs) => events?.onTime(nowMs) ?? false,
    isMissed() {
      if (config.events !== 'on' || events === undefined) return false
      const { state } = events.state()
      return state !== 'reading' && state !== 'starting'
    },
    async stop() {
      await events?.stop()
    },
  }
}

const NOTHING = { missing: [], error: undefined, readAtMs: undefined, changes: 0, pending: 0 } as const

function stateWithout(hasFeed: boolean, isOff: boolean): EventReadingState['state'] {
  if (!hasFeed) return 'none'
  return isOff ? 'off' : 'starting'
}

/** The same, and says when something was written. */
function telling(departures: Departures, sessionsEnd: () => void): Departures {
  return {
    known: (ids) => departures.known(ids),
    async end(departed) {
      const addresses = await departures.end(departed)
      if (addresses.length > 0) sessionsEnd()
      return addresses
    },
  }
}
