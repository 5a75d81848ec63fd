/** The limits of a domain, in mailcow's order (facts: add mailbox). Unlimited quota (0) passes every quota check. */
import type { MakingFacts, StoredDomain } from '../account/stored.ts'
import type { Why } from '../login/outcome.ts'

export function checkLimits(domain: StoredDomain, making: MakingFacts, quotaBytes: number): Why | undefined {
  if (making.mailboxCount >= domain.maxMailboxes) return 'max_mailboxes'
  if (quotaBytes > domain.maxMailboxQuotaBytes) return 'mailbox_quota_exceeded'
  if (quotaBytes > 0 && making.quotaSumBytes + quotaBytes > domain.quotaBytes) return 'domain_quota_exceeded'
  return undefined
}
