/**
 * Keycloak's events (AdminEventRepresentation, EventRepresentation) turned into changes. Admin events are told apart by
 * path, not by type: a partial import reports each user as CREATE of a REALM with the path users/<id> (seen on 26.7.3), and
 * a filter by a type that a version does not know is answered with 500.
 */
import { Type, type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Change, Changed } from '../changes.ts'

const Id = Type.String({ minLength: 1, maxLength: 255 })
/** Milliseconds since the epoch. */
const Time = Type.Number({ minimum: 0, maximum: 1e15 })

const AdminEvent = Type.Object({
  id: Type.Optional(Id),
  time: Time,
  operationType: Type.String({ maxLength: 255 }),
  resourceType: Type.Optional(Type.Union([Type.String({ maxLength: 255 }), Type.Null()])),
  resourcePath: Type.Optional(Type.Union([Type.String({ maxLength: 4096 }), Type.Null()])),
})

const UserEvent = Type.Object({
  id: Type.Optional(Id),
  time: Time,
  type: Type.String({ maxLength: 255 }),
  userId: Type.Optional(Type.Union([Id, Type.Null()])),
})

export const adminEvents = Compile(Type.Array(AdminEvent))
export const userEvents = Compile(Type.Array(UserEvent))
export type AdminEvent = Static<typeof AdminEvent>
export type UserEvent = Static<typeof UserEvent>

/** Without these a change that users make themselves, or the brute force detection, is not told. */
export const NEEDED_TYPES = [
  'REGISTER',
  'UPDATE_PROFILE',
  'UPDATE_EMAIL',
  'VERIFY_EMAIL',
  'DELETE_ACCOUNT',
  'USER_DISABLED_BY_PERMANENT_LOCKOUT',
] as const
/** Others that tell of a changed user. They come with one of those above, or older versions do not know them. */
const MORE_TYPES = [
  'VERIFY_PROFILE',
  'IDENTITY_PROVIDER_FIRST_LOGIN',
  'USER_DISABLED_BY_TEMPORARY_LOCKOUT',
] as const
export const READ_TYPES: readonly string[] = [...NEEDED_TYPES, ...MORE_TYPES]

/** What an admin event says, or undefined where it does not touch what we know. */
export function adminChange(event: AdminEvent): Change | undefined {
  const what = changedBy(event)
  // Old versions give admin events no id.
  const id = event.id ?? [event.time, event.operationType, event.resourcePath ?? ''].join(' ')
  return what === undefined ? undefined : { id, atMs: event.time, what }
}

function changedBy({ operationType, resourceType, resourcePath }: AdminEvent): Changed | undefined {
  const [first = '', second = '', third = ''] = (resourcePath ?? '').split('/')
  switch (first) {
    case '':
      return resourceType === 'REALM' ? { kind: 'rules' } : undefined
    case 'users': {
      if (second === 'profile') return { kind: 'rules' }
      if (!isId(second)) return undefined
      return { kind: 'user', id: second, entire: third === '' && operationType !== 'ACTION' }
    }
    case 'attack-detection': {
      // brute-force/users/<id>: the lockout of one user was lifted.
      const id = (resourcePath ?? '').split('/')[3] ?? ''
      return isId(id) ? { kind: 'user', id, entire: true } : undefined
    }
    case 'events':
      return { kind: 'settings' }
    case 'partialImport':
    case 'components':
    case 'user-storage':
      return { kind: 'everything' }
    default:
      return undefined
  }
}

/** What a user event says; of a user without an id it says nothing. */
export function userChange({ id, time, type, userId }: UserEvent): Change | undefined {
  if (userId === undefined || userId === null || !READ_TYPES.includes(type)) return undefined
  const what: Changed = { kind: 'user', id: userId, entire: true }
  return { id: id ?? [time, type, userId].join(' '), atMs: time, what }
}

function isId(text: string): boolean {
  return text !== '' && text.length <= 255 && !/\s/.test(text)
}
