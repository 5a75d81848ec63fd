/** Whether a directory user may use mail at all. Pure; the first reason that applies is told. */
import type { DirectorySettings } from '../config/settings.ts'
import type { DirectoryProfile, DirectoryUser } from '../directory/user.ts'
import type { Why } from '../login/outcome.ts'

export function standingOf(
  user: DirectoryUser,
  profile: DirectoryProfile,
  settings: DirectorySettings,
): Why | undefined {
  if (user.lockedOut) {
    // The directory stores the lockout as enabled=false: ignoring it means not looking at `enabled` either.
    if (settings.lockout === 'block') return 'directory_locked_out'
  } else if (!user.enabled) return 'directory_disabled'
  if (!user.emailVerified && needsVerifiedEmail(profile, settings)) return 'email_unverified'
  if (settings.refuseRequiredActions && user.requiredActions.length > 0) return 'required_actions'
  return undefined
}

/** Where users may choose their address, an unverified one may be anybody's. */
export function needsVerifiedEmail(profile: DirectoryProfile, settings: DirectorySettings): boolean {
  switch (settings.requireEmailVerified) {
    case 'yes':
      return true
    case 'no':
      return false
    case 'auto':
      return profile.emailSelfChosen
  }
}
