/** Which accounts need the directory at all: an unknown domain never costs a call. */
import type { DirectorySettings } from '../config/settings.ts'
import type { StoredAccount } from './stored.ts'

export function isHosted(stored: StoredAccount): boolean {
  return stored.domain !== undefined || stored.aliasDomainOf !== undefined
}

/** True where the directory decides: no mailbox yet in a hosted domain, or one whose password is Keycloak's. */
export function needsDirectory(stored: StoredAccount, settings: DirectorySettings): boolean {
  if (!settings.mailpasswordFlow || !isHosted(stored)) return false
  return stored.mailbox === undefined || stored.mailbox.authsource === 'keycloak'
}
