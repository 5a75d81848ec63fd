/**
 * The stored hashes that are compared with a password, in their order: app passwords, then the main password. Of
 * 1,000 app passwords few are compared: the one whose tag the password has, else at most 20 of those without a tag.
 */
import { LRUCache } from 'lru-cache'
import { ownerOf, type Account } from '../account/account.ts'
import { MAX_UNTAGGED, type StoredAppPassword, type StoredMailbox } from '../account/stored.ts'

export type Candidate =
  | {
      readonly kind: 'app'
      readonly id: string
      readonly hash: string
      /** The row, with all that the gate asks of it. */
      readonly row: StoredAppPassword
    }
  /** The main password: Keycloak's hash, or the mailbox's own SQL hash. */
  | {
      readonly kind: 'main'
      readonly id: 'main'
      readonly hash: string
      readonly source: 'directory' | 'sql'
    }

type AppCandidate = Extract<Candidate, { kind: 'app' }>

/** What a login was opened with. */
export type Credential =
  | Candidate
  /**
   * The password of mailcow's SOGo: one for all mailboxes, no stored hash of any, and good only where `gate` sees
   * that SOGo came by the mailcow-compatible door.
   */
  | { readonly kind: 'sogo'; readonly id: 'sogo' }

export const SOGO: Credential = Object.freeze({ kind: 'sogo', id: 'sogo' })

export interface Candidates {
  /** The app password of ours that the password names by its tag; compared first, in its canonical form. */
  readonly tagged: AppCandidate | undefined
  /** Compared with the password as it came. */
  readonly others: readonly Candidate[]
  /** App passwords that may be the right one and are not compared: too many of them. */
  readonly leftOut: number
  /** There are app passwords that this password certainly is not, by its tag: that is as good as a comparison. */
  readonly excluded: boolean
}

/** The candidates for a password with this tag (credential/app-password.ts), or with none. */
export function candidatesFor(account: Account, tag: string | undefined): Candidates {
  const index = indexOf(account.stored.appPasswords)
  const tagged = tag === undefined ? undefined : index.byTag.get(tag)
  const main = mainCandidates(account)
  // A main password may look like one of ours, by chance or because it was copied; it costs one comparison.
  if (tagged !== undefined) return { tagged, others: main, leftOut: 0, excluded: false }
  const others = index.untagged.length === 0 ? main : [...index.untagged, ...main]
  return {
    tagged,
    others,
    leftOut: index.leftOut + (account.stored.othersLeftOut ?? 0),
    excluded: index.byTag.size > 0,
  }
}

/** This candidate as the rows have it now, or undefined where its hash does not count any more. */
export function candidateNow(account: Account, candidate: Candidate): Candidate | undefined {
  if (candidate.kind === 'main')
    return mainCandidates(account).find(
      (each) => each.hash === candidate.hash && each.kind === 'main' && each.source === candidate.source,
    )
  const row = account.stored.appPasswords.find(({ id }) => id === candidate.row.id)
  return row?.hash === candidate.hash ? toCandidate(row) : undefined
}

/** Of so many mailboxes candidates are kept, and what memo.ts keeps of them: 0.8 kB each. */
export const IN_USE = 2048

const NONE: readonly Candidate[] = []

/**
 * Made once for rows or a record that were read and are in use: what is remembered of a candidate is then found by it.
 */
const mains = new LRUCache<StoredMailbox | readonly string[], readonly Candidate[]>({ max: IN_USE })

/** The directory keeps several values during a rotation; all are tried (at most 5 by the adapter). */
function mainCandidates(account: Account): readonly Candidate[] {
  const { mailbox } = account.stored
  if (mailbox?.authsource === 'mailcow')
    return mailbox.hash === '' ? NONE : mainsOf(mailbox, [mailbox.hash], 'sql')
  const owner = ownerOf(account)
  // A stranger's password is compared too: whether the address has another owner now is told only to who knows it.
  if (owner.kind !== 'user' && owner.kind !== 'stranger') return NONE
  return mainsOf(owner.user.hashes, owner.user.hashes, 'directory')
}

function mainsOf(
  read: StoredMailbox | readonly string[],
  hashes: readonly string[],
  source: 'directory' | 'sql',
): readonly Candidate[] {
  let candidates = mains.get(read)
  if (candidates === undefined) {
    candidates = hashes.map((hash) => ({ kind: 'main', id: 'main', hash, source }))
    mains.set(read, candidates)
  }
  return candidates
}

interface Index {
  readonly byTag: ReadonlyMap<string, AppCandidate>
  readonly untagged: readonly AppCandidate[]
  readonly leftOut: number
}

const EMPTY: Index = { byTag: new Map(), untagged: [], leftOut: 0 }

/** Made once for rows that were read, so that a login costs the same however many there are. */
const indexes = new WeakMap<readonly StoredAppPassword[], Index>()

function indexOf(rows: readonly StoredAppPassword[]): Index {
  if (rows.length === 0) return EMPTY
  const known = indexes.get(rows)
  if (known !== undefined) return known
  const byTag = new Map<string, AppCandidate>()
  const untagged: StoredAppPassword[] = []
  for (const row of rows) {
    if (row.own === undefined) untagged.push(row)
    // Of two with one tag, which nobody of ours makes, the newest counts.
    else if ((byTag.get(row.own.tag)?.row.id ?? 0) < row.id) byTag.set(row.own.tag, toCandidate(row))
  }
  untagged.sort((a, b) => (b.lastUsedMs ?? 0) - (a.lastUsedMs ?? 0) || b.id - a.id)
  const index = {
    byTag,
    untagged: untagged.slice(0, MAX_UNTAGGED).map(toCandidate),
    leftOut: Math.max(0, untagged.length - MAX_UNTAGGED),
  }
  indexes.set(rows, index)
  return index
}

function toCandidate(row: StoredAppPassword): AppCandidate {
  return { kind: 'app', id: `app:${row.id}`, hash: row.hash, row }
}
