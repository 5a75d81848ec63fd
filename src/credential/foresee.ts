/** What verifying would come to for whoever has the right password of a credential; no password is needed for it. */
import type { Account } from '../account/account.ts'
import type { StoredAppPassword } from '../account/stored.ts'
import { candidatesFor, type Candidate } from './candidates.ts'
import type { HashInspector } from './hash-verifier.ts'
import { noneOf, type Verification } from './verify.ts'

/**
 * As CredentialVerifier answers for the right password of the app password `row`, or of the main password. Where no
 * hash of it can be compared, for any password that matches none. Of what passes by itself (a full pool) nothing is
 * foreseen, nor that somebody's main password looks like an app password of ours.
 */
export function foresee(
  account: Account,
  row: StoredAppPassword | undefined,
  hashes: HashInspector,
): Verification {
  const candidates = candidatesFor(account, row?.own?.tag)
  const { tagged, others, excluded, leftOut } = candidates
  const compared = tagged === undefined ? others : [tagged, ...others]
  if (compared.length === 0) return excluded ? noneOf(candidates) : { kind: 'nothing' }
  const id = row === undefined ? 'main' : `app:${row.id}`
  let wasCompared = excluded
  let reason = ''
  for (const candidate of compared) {
    const { unusable } = hashes.inspect(candidate.hash)
    if (unusable === undefined && candidate.id === id) return { kind: 'match', candidate }
    if (unusable === undefined) wasCompared = true
    else reason = unusable
  }
  return wasCompared || leftOut > 0 ? noneOf(candidates) : { kind: 'unusable', reason }
}

/** The stored hashes of the main password. */
export function mainHashes(account: Account): readonly Candidate[] {
  return candidatesFor(account, undefined).others.filter(({ kind }) => kind === 'main')
}
