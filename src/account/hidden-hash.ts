/**
 * A user who had a password hash and has none any more, though enabled (design §3 rule 8): taken away, or hidden from us
 * by the realm's user profile, which drops attributes in silence. What is hidden is not gone: the hashes that were seen
 * last go on, with all else as the directory has it now. Pure.
 */
import type { Lookup } from '../directory/directory.ts'
import type { DirectoryUser } from '../directory/user.ts'
import type { DirectoryRecordValue } from './record-book.ts'

/** Whether `found` lacks the hashes that the same user had in `last`. */
export function lostHashes(last: DirectoryRecordValue | undefined, found: Lookup): boolean {
  const now = foundUser(found)
  return now !== undefined && now.enabled && now.hashes.length === 0 && hashesIn(last, now.id).length > 0
}

/** `found`, with the hashes of `last` where the realm hides them. */
export function withHiddenHashes(
  last: DirectoryRecordValue | undefined,
  found: DirectoryRecordValue,
): DirectoryRecordValue {
  const user = foundUser(found.lookup)
  if (
    user === undefined ||
    last === undefined ||
    found.profile.hashVisible ||
    !lostHashes(last, found.lookup)
  )
    return found
  return Object.freeze({
    ...withHashes(found, user, hashesIn(last, user.id)),
    hashesAtMs: last.hashesAtMs ?? last.atMs,
  })
}

/** A record without hashes that were seen longer ago than `maxAgeMs`; the same record where there are none such. */
export function withoutOldHashes(
  record: DirectoryRecordValue,
  nowMs: number,
  maxAgeMs: number,
): DirectoryRecordValue {
  const { hashesAtMs } = record
  const user = foundUser(record.lookup)
  if (hashesAtMs === undefined || user === undefined || nowMs - hashesAtMs <= maxAgeMs) return record
  return Object.freeze(withHashes(record, user, []))
}

/** Whether this user's hash is not known, and not known to be none. */
export function isHashHidden(user: DirectoryUser, profile: { readonly hashVisible: boolean }): boolean {
  return user.enabled && user.hashes.length === 0 && !profile.hashVisible
}

function withHashes(
  record: DirectoryRecordValue,
  user: DirectoryUser,
  hashes: readonly string[],
): DirectoryRecordValue {
  return { ...record, lookup: { kind: 'found', user: { ...user, hashes } } }
}

function foundUser(lookup: Lookup): DirectoryUser | undefined {
  return lookup.kind === 'found' ? lookup.user : undefined
}

function hashesIn(record: DirectoryRecordValue | undefined, id: string): readonly string[] {
  const user = record === undefined ? undefined : foundUser(record.lookup)
  return user?.id === id ? user.hashes : []
}
