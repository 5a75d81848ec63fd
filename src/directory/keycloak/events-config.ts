/** What a realm keeps of events (RealmEventsConfigRepresentation), and what of it is missing. */
import { Type, type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import type { ChangeSettings } from '../changes.ts'
import { NEEDED_TYPES } from './event-shapes.ts'

const EventsConfig = Type.Object({
  eventsEnabled: Type.Boolean(),
  adminEventsEnabled: Type.Boolean(),
  /** Seconds; of user events. */
  eventsExpiration: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
  /** All that there are, where none were chosen (26.7.3). */
  enabledEventTypes: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
})

export const eventsConfig = Compile(EventsConfig)

export function changeSettings(config: Static<typeof EventsConfig>): ChangeSettings {
  const kept = config.enabledEventTypes ?? []
  const expirationSeconds = config.eventsExpiration ?? 0
  return {
    missing: [
      ...(config.adminEventsEnabled ? [] : ['admin events']),
      ...(config.eventsEnabled
        ? NEEDED_TYPES.filter((type) => !kept.includes(type)).map((type) => `user events of type ${type}`)
        : ['user events']),
    ],
    keptMs: expirationSeconds > 0 ? expirationSeconds * 1000 : undefined,
  }
}
