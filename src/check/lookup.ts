/** Judges look-ups of users: that of nobody, and that of an address somebody asks about. Never shows a hash. */
import type { DirectoryConfig } from '../config/schema.ts'
import type { Lookup } from '../directory/directory.ts'
import type { DirectoryUser } from '../directory/user.ts'
import { parseStoredHash } from '../password/scheme.ts'
import { found, type Finding } from './step.ts'
import { counted, median } from './text.ts'

/** RFC 2606 §2: nobody has an address there, and yet it takes the whole way of a look-up. */
export const NOBODY = 'mailpassd-check@mailpassd.invalid'

/** A login waits 2 s; a median of this is a bad evening away from it. */
const WARN_LATENCY_MS = 500

export function judgeNobody(lookup: Lookup): Finding {
  if (lookup.kind === 'absent') return found.ok('answered: nobody has the address that was asked for')
  return found.failed(
    `the directory finds a user for ${NOBODY}, an address that nobody can have`,
    'what answers does not look for the address it is asked for; is there a proxy that changes the query?',
  )
}

export function judgeLatency(tookMs: readonly number[]): Finding {
  const middle = Math.round(median(tookMs))
  const text = `median of ${tookMs.length} look-ups ${middle} ms`
  return middle > WARN_LATENCY_MS
    ? found.warning(
        `${text}: users wait that long at their first login and whenever their record is old`,
        "look at Keycloak's load and its database; a federated directory (LDAP) is asked through it",
      )
    : found.ok(text)
}

type UserRules = Pick<DirectoryConfig, 'password_attribute' | 'template_attribute' | 'mappings'>

/** What the directory has for an address that somebody asks about. */
export function judgeAddress(address: string, lookup: Lookup, config: UserRules): Finding {
  switch (lookup.kind) {
    case 'absent':
      return found.warning(
        `${address}: no user has this e-mail address`,
        "enter it as the user's e-mail in Keycloak; its spelling must be the same",
      )
    case 'ambiguous':
      return found.failed(
        `${address}: ${lookup.users.length} users have this e-mail address, and neither logs in unless the mailbox belongs to one already`,
        'leave it to one of them',
      )
    case 'other_email':
      return found.failed(
        `${address}: the directory finds users with another e-mail address`,
        'what answers does not look for the whole address; is there a proxy that changes the query?',
      )
    case 'found':
      return judgeUser(address, lookup.user, config)
  }
}

function judgeUser(address: string, user: DirectoryUser, config: UserRules): Finding {
  const hashes = user.hashes.map(schemeOf)
  const facts = [
    user.enabled ? 'enabled' : user.lockedOut ? 'locked out for good' : 'disabled',
    user.emailVerified ? 'e-mail verified' : 'e-mail not verified',
    hashes.length === 0 ? 'no hash' : `${counted(hashes.length, 'hash', 'hashes')} (${hashes.join(', ')})`,
    templateOf(user, config),
    ...(user.requiredActions.length === 0 ? [] : [counted(user.requiredActions.length, 'required action')]),
  ]
  const detail = `${address}: found, ${facts.join(', ')}`
  if (hashes.length === 0)
    return found.warning(
      detail,
      `put a hash into ${config.password_attribute}, as \`mailpassd hash make\` prints it; where there is one, the realm hides it`,
    )
  if (hashes.every((scheme) => scheme === UNUSABLE))
    return found.warning(detail, 'a hash looks like {BLF-CRYPT}$2y$…; `mailpassd hash make` prints one')
  return user.enabled ? found.ok(detail) : found.warning(detail, 'enable the user in Keycloak')
}

const UNUSABLE = 'unusable'

function schemeOf(hash: string): string {
  const parsed = parseStoredHash(hash)
  return 'scheme' in parsed ? parsed.scheme.name : UNUSABLE
}

/** The attribute's own value is the directory's to show; ours is what it stands for. */
function templateOf({ template }: DirectoryUser, { mappings }: UserRules): string {
  if (template === undefined) return 'no template attribute'
  const mapped = mappings.find(({ attribute }) => attribute === template)
  return mapped === undefined
    ? 'a template attribute that no mapping names'
    : `template ${JSON.stringify(mapped.template)} by mapping`
}
