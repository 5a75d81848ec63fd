/** The limits of a domain, in mailcow's order (facts: add mailbox). Unlimited quota (0) passes every quota check. */
import type { MakingFacts, StoredDomain } from '../account/stored.ts'
import type { Why } from '../login/outcome.ts'

const BYTES_PER_MIB = 1024 * 1024

/** mailcow adds in whole MiB, the sum so far rounded. */
function wholeMib(bytes: number): number {
  return Math.round(bytes / BYTES_PER_MIB) * BYTES_PER_MIB
}

export function checkLimits(domain: StoredDomain, making: MakingFacts, quotaBytes: number): Why | undefined {
  if (making.mailboxCount >= domain.maxMailboxes) return 'max_mailboxes'
  if (quotaBytes > domain.maxMailboxQuotaBytes) return 'mailbox_quota_exceeded'
  if (quotaBytes > 0 && wholeMib(making.quotaSumBytes) + quotaBytes > domain.quotaBytes)
    return 'domain_quota_exceeded'
  return undefined
}
