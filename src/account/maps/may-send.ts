/**
 * Whether somebody who logged in some time ago may still send: what a login would meet now, as far as it does not
 * depend on the password. Pure.
 */
import type { DirectorySettings } from '../../config/settings.ts'
import type { Why } from '../../login/outcome.ts'
import { ownerOf, type Account } from '../account.ts'
import { lifeOf } from '../app-password-life.ts'
import { isLocked } from '../lock.ts'
import { standingOf } from '../standing.ts'
import type { StoredAccount, StoredAppPassword } from '../stored.ts'

export type MaySend =
  | { readonly kind: 'may' }
  | { readonly kind: 'refused'; readonly why: Why }
  | { readonly kind: 'unknown'; readonly why: Why }

const MAY: MaySend = Object.freeze({ kind: 'may' })

/** What rows alone say is told first: it needs no directory. `nowMs` is wall-clock time. */
export function maySend(account: Account, settings: DirectorySettings, nowMs: number): MaySend {
  const why = isLocked(account.stored, nowMs) ? 'locked' : whyRowsRefuse(account.stored, nowMs)
  if (why !== undefined) return { kind: 'refused', why }
  const owner = ownerOf(account)
  switch (owner.kind) {
    case 'none_needed':
      return MAY
    case 'unknown':
      return owner
    case 'absent':
      return { kind: 'refused', why: 'directory_user_gone' }
    case 'stranger':
      return { kind: 'refused', why: 'identity_changed' }
    case 'user': {
      const standing = standingOf(owner.user, owner.profile, settings)
      return standing === undefined ? MAY : { kind: 'refused', why: standing }
    }
  }
}

/** Whether some app password opens the mailbox for sending now, from wherever. */
function maySendBy(row: StoredAppPassword, directoryId: string | undefined, nowMs: number): boolean {
  const { active, services, own, lastUsedMs } = row
  if (!services.has('smtp')) return false
  if (own === undefined) return active
  const isOther = own.directoryId !== undefined && own.directoryId !== directoryId
  return !isOther && lifeOf(own, active, lastUsedMs, nowMs) === 'active'
}

function whyRowsRefuse({ domain, mailbox, appPasswords }: StoredAccount, nowMs: number): Why | undefined {
  if (domain === undefined) return 'domain_not_hosted'
  if (!domain.active) return 'domain_inactive'
  if (mailbox === undefined) return 'no_such_user'
  if (mailbox.active === 0) return 'mailbox_inactive'
  if (mailbox.active === 2) return 'mailbox_receive_only'
  if (mailbox.kind !== '') return 'mailbox_is_resource'
  // Which password opened the session is not told; closed is it only where none can have.
  const isOpen =
    mailbox.services.smtp !== false || appPasswords.some((row) => maySendBy(row, mailbox.directoryId, nowMs))
  return isOpen ? undefined : 'service_closed'
}
