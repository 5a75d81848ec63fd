/** Plans as the mailbox room makes them, in the few shapes that the store's tests need. */
import type { StoredAccount } from '../../src/account/stored.ts'
import { parseAddress, type Address } from '../../src/login/address.ts'
import type { Change, Plan } from '../../src/mailbox/change.ts'

export function addressOf(name: string): Address {
  const address = parseAddress(name)
  if (address === undefined) throw new Error(`${name} is not an address`)
  return address
}

/** What making a mailbox by the Default template writes. */
export function makingChanges(stored: StoredAccount, directoryId = 'id-1'): readonly Change[] {
  const template = stored.making?.templates.find((candidate) => candidate.name === 'Default')
  if (template === undefined) throw new Error('no Default template')
  return [
    {
      kind: 'make_mailbox',
      name: 'Jane Doe',
      quotaBytes: template.quotaBytes,
      active: template.active,
      attributes: { ...template.attributes, imap_access: '1', pop3_access: '0' },
    },
    { kind: 'add_tag', tag: 'blue' },
    { kind: 'make_quota', table: 'quota2' },
    { kind: 'make_quota', table: 'quota2replica' },
    { kind: 'make_alias', active: template.active },
    { kind: 'make_acl', columns: template.acl },
    { kind: 'bind_identity', directoryId, template: 'Default', applied: { quota: '0' } },
  ]
}

/** Makes the mailbox where it is absent and the domain has room, and nothing else. */
export function makePlan(stored: StoredAccount): Plan {
  if (stored.mailbox !== undefined) return { kind: 'changes', changes: [] }
  const { domain, making } = stored
  if (domain === undefined || making === undefined) return { kind: 'refused', why: 'domain_not_hosted' }
  if (making.collides) return { kind: 'refused', why: 'object_exists' }
  if (making.mailboxCount >= domain.maxMailboxes) return { kind: 'refused', why: 'max_mailboxes' }
  return { kind: 'changes', changes: makingChanges(stored) }
}

/** Makes the rows that are missing beside the mailbox's own. */
export function repairPlan(stored: StoredAccount): Plan {
  const { mailbox } = stored
  if (mailbox === undefined) return { kind: 'refused', why: 'no_such_user' }
  const changes: Change[] = []
  if (mailbox.missing.alias) changes.push({ kind: 'make_alias', active: mailbox.active })
  if (mailbox.missing.quota2) changes.push({ kind: 'make_quota', table: 'quota2' })
  if (mailbox.missing.quota2replica) changes.push({ kind: 'make_quota', table: 'quota2replica' })
  if (mailbox.missing.userAcl) {
    const columns = {
      spam_alias: true,
      tls_policy: true,
      spam_score: true,
      spam_policy: true,
      delimiter_action: true,
      syncjobs: false,
      eas_reset: true,
      sogo_profile_reset: false,
      pushover: true,
      quarantine: true,
      quarantine_attachments: true,
      quarantine_notification: true,
      quarantine_category: true,
      app_passwds: true,
      pw_reset: true,
    }
    changes.push({ kind: 'make_acl', columns })
  }
  return { kind: 'changes', changes }
}
