/** The stored hashes that may open a mailbox, in the order they are tried: app passwords, then the main password. */
import { ownerOf, type Account } from '../account/account.ts'
import type { FlaggedService } from '../login/service.ts'

export type Candidate =
  | {
      readonly kind: 'app'
      readonly id: string
      readonly hash: string
      readonly services: ReadonlySet<FlaggedService>
    }
  /** The main password: Keycloak's hash, or the mailbox's own SQL hash. */
  | {
      readonly kind: 'main'
      readonly id: 'main'
      readonly hash: string
      readonly source: 'directory' | 'sql'
    }

/** What a login was opened with. */
export type Credential =
  | Candidate
  /**
   * The password of mailcow's SOGo: one for all mailboxes, no stored hash of any, and good only where `gate` sees
   * that SOGo came by the mailcow-compatible door.
   */
  | { readonly kind: 'sogo'; readonly id: 'sogo' }

export const SOGO: Credential = Object.freeze({ kind: 'sogo', id: 'sogo' })

/** The directory keeps several values during a rotation; all are tried (at most 5 by the adapter). */
export function candidatesOf(account: Account): readonly Candidate[] {
  const { mailbox, appPasswords } = account.stored
  const candidates: Candidate[] = appPasswords
    .filter(({ active }) => active)
    .map((row) => ({
      kind: 'app',
      id: `app:${row.id}`,
      hash: row.hash,
      services: row.services,
    }))
  if (mailbox?.authsource === 'mailcow') {
    if (mailbox.hash !== '') candidates.push({ kind: 'main', id: 'main', hash: mailbox.hash, source: 'sql' })
    return candidates
  }
  const owner = ownerOf(account)
  // A stranger's password is compared too: whether the address has another owner now is told only to who knows it.
  if (owner.kind === 'user' || owner.kind === 'stranger') {
    for (const hash of owner.user.hashes)
      candidates.push({ kind: 'main', id: 'main', hash, source: 'directory' })
  }
  return candidates
}

/** Whether this candidate may still open the mailbox: rows may have changed since it was compared. */
export function isCandidate(account: Account, candidate: Candidate): boolean {
  const source = candidate.kind === 'main' ? candidate.source : undefined
  return candidatesOf(account).some(
    (each) =>
      each.id === candidate.id &&
      each.hash === candidate.hash &&
      (each.kind === 'main' ? each.source : undefined) === source,
  )
}
