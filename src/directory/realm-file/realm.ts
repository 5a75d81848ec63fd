/** The text of a Keycloak realm export, parsed: its users and its rules. Pure; runs in the main thread and in a worker. */
import { createHash } from 'node:crypto'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { lowerAscii, parseUser, UserInvalid, type AttributeNames } from '../representation.ts'
import type { DirectoryProfile, DirectoryUser } from '../user.ts'
import { directoryProfile, userProfile } from '../user-profile.ts'
import { jsonErrorPlace } from './json-place.ts'

export interface Realm {
  readonly users: readonly DirectoryUser[]
  readonly profile: DirectoryProfile
}

/** The file holds no realm; `reason` says where, and quotes nothing of it. */
export class RealmInvalid {
  readonly reason: string

  constructor(reason: string) {
    this.reason = reason
  }
}

const PROFILE_PROVIDER = 'org.keycloak.userprofile.UserProfileProvider'
const PROFILE_KEY = 'kc.user.profile.config'

const Export = Compile(
  Type.Object({
    realm: Type.String({ minLength: 1 }),
    registrationAllowed: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
    users: Type.Array(Type.Unknown()),
    components: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  }),
)

const ProfileComponents = Compile(
  Type.Array(Type.Object({ config: Type.Optional(Type.Record(Type.String(), Type.Array(Type.String()))) })),
)

/** Parses a realm export. All users must be right: half a realm would make the others unknown. */
export function parseRealm(text: string, names: AttributeNames): Realm | RealmInvalid {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return new RealmInvalid(`no JSON from ${jsonErrorPlace(text)} on`)
  }
  if (!Export.Check(json)) {
    const first = Export.Errors(json)[0]
    return new RealmInvalid(`no realm export: ${first?.instancePath ?? ''} ${first?.message ?? ''}`)
  }
  const profile = profileOf(json.components?.[PROFILE_PROVIDER], json.registrationAllowed === true, names)
  if (profile instanceof RealmInvalid) return profile
  const users: DirectoryUser[] = []
  const places = new Map<string, number>()
  for (const [index, value] of json.users.entries()) {
    const user = parseUser(value, names, idOfUsername)
    if (user instanceof UserInvalid) return new RealmInvalid(`users/${index}: ${user.reason}`)
    const other = places.get(user.id)
    if (other !== undefined) return new RealmInvalid(`users/${index}: the same id as users/${other}`)
    places.set(user.id, index)
    users.push(user)
  }
  return { users, profile }
}

/** A stable id for a user without one: hand-written files have none, and a mailbox is bound to its user's id. */
function idOfUsername(username: string): string {
  const digest = createHash('sha256')
    .update(`realm file user\0${lowerAscii(username)}`)
    .digest('hex')
  return `file-${digest.slice(0, 32)}`
}

/**
 * The user profile of the export. What the file holds is visible whatever the profile says; without a profile
 * nobody edits anything, since nobody but the owner of the file can.
 */
function profileOf(
  components: unknown,
  registrationAllowed: boolean,
  names: AttributeNames,
): DirectoryProfile | RealmInvalid {
  const place = `components/${PROFILE_PROVIDER}`
  if (components !== undefined && !ProfileComponents.Check(components)) {
    return new RealmInvalid(`${place}: no list of components`)
  }
  const text = components?.flatMap((component) => component.config?.[PROFILE_KEY] ?? [])[0]
  if (text === undefined) {
    return {
      emailSelfChosen: registrationAllowed,
      hashVisible: true,
      hashSelfEdited: false,
      templateSelfEdited: false,
    }
  }
  let config: unknown
  try {
    config = JSON.parse(text)
  } catch {
    return new RealmInvalid(`${place}: ${PROFILE_KEY}: no JSON from ${jsonErrorPlace(text)} on`)
  }
  if (!userProfile.Check(config)) return new RealmInvalid(`${place}: ${PROFILE_KEY}: no user profile`)
  return { ...directoryProfile(config, registrationAllowed, names), hashVisible: true }
}
