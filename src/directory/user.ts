/** A directory user as the rooms see it: what an adapter found, already parsed, nothing of its API left. */

export interface DirectoryUser {
  /** The directory's own, stable id (Keycloak: a UUID). */
  readonly id: string
  readonly username: string
  /** E-mail address in lower case, an internationalised domain in A-labels; '' when the user has none. */
  readonly email: string
  readonly emailVerified: boolean
  readonly enabled: boolean
  /** Disabled by the directory itself after failed logins (`disabledReason=permanentLockout`). */
  readonly lockedOut: boolean
  readonly requiredActions: readonly string[]
  readonly firstName: string
  readonly lastName: string
  /** The values of the password attribute, in their order; at most 5 are kept. */
  readonly hashes: readonly string[]
  /** The first value of the template attribute. */
  readonly template: string | undefined
}

/** Who may do what to a user, as the realm says (Keycloak: realm representation and user profile). */
export interface DirectoryProfile {
  /** Users may set their own e-mail address or register themselves. */
  readonly emailSelfChosen: boolean
  /** The password attribute is readable for us (declared, or unmanaged attributes are visible). */
  readonly hashVisible: boolean
  readonly hashSelfEdited: boolean
  readonly templateSelfEdited: boolean
}
