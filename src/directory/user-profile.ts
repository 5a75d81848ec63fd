/**
 * Keycloak's declarative user profile (UPConfig): who may see and edit which attribute. Decides whether an e-mail is
 * the user's own choice and whether a missing hash may just be hidden from us.
 */
import { Type, type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import type { AttributeNames } from './representation.ts'
import type { DirectoryProfile } from './user.ts'

const Roles = Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()]))

const UserProfile = Type.Object({
  attributes: Type.Array(
    Type.Object({
      name: Type.String(),
      permissions: Type.Optional(Type.Union([Type.Object({ view: Roles, edit: Roles }), Type.Null()])),
    }),
  ),
  unmanagedAttributePolicy: Type.Optional(Type.Union([Type.String(), Type.Null()])),
})

export type UserProfile = Static<typeof UserProfile>

export const userProfile = Compile(UserProfile)

/** Who may do what with one attribute; administrators are we, too. */
export interface AttributePermissions {
  readonly declared: boolean
  readonly visible: boolean
  readonly adminEdited: boolean
  readonly selfVisible: boolean
  readonly selfEdited: boolean
}

/**
 * What users themselves and administrators (we are one) may do to an attribute. Who may edit may see. An attribute
 * declared without permissions is hidden from everybody; an undeclared one follows unmanagedAttributePolicy, whose
 * absence hides it and drops what is written to it (both seen on 26.7.3).
 */
export function permissionsOf(profile: UserProfile, name: string): AttributePermissions {
  const declared = profile.attributes.find((attribute) => attribute.name === name)
  if (declared !== undefined) {
    const edit = declared.permissions?.edit ?? []
    const view = declared.permissions?.view ?? []
    return {
      declared: true,
      visible: edit.includes('admin') || view.includes('admin'),
      adminEdited: edit.includes('admin'),
      selfVisible: edit.includes('user') || view.includes('user'),
      selfEdited: edit.includes('user'),
    }
  }
  const policy = profile.unmanagedAttributePolicy
  const isOpen = policy === 'ENABLED'
  const adminEdited = isOpen || policy === 'ADMIN_EDIT'
  return {
    declared: false,
    visible: adminEdited || policy === 'ADMIN_VIEW',
    adminEdited,
    selfVisible: isOpen,
    selfEdited: isOpen,
  }
}

/**
 * The realm's rules as the rooms need them. `registrationAllowed` is undefined where our client may not see it: then
 * it is taken for allowed, because the wrong guess would let people in under an e-mail they chose themselves.
 */
export function directoryProfile(
  profile: UserProfile,
  registrationAllowed: boolean | undefined,
  names: AttributeNames,
): DirectoryProfile {
  const hash = permissionsOf(profile, names.password)
  const emailDeclared = profile.attributes.some((attribute) => attribute.name === 'email')
  return {
    emailSelfChosen:
      registrationAllowed !== false || !emailDeclared || permissionsOf(profile, 'email').selfEdited,
    hashVisible: hash.visible,
    hashSelfEdited: hash.selfEdited,
    templateSelfEdited: permissionsOf(profile, names.template).selfEdited,
  }
}
