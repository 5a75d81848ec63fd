/** The only way to the writer: one flight per address, so that 50 first logins of one user make one transaction. */
import type { StoredAccount } from '../account/stored.ts'
import type { Address } from '../login/address.ts'
import type { Applied, MailboxWriter, Plan } from './change.ts'

/** `overtaken`: another write for the address was done meanwhile, and nothing for this plan; look at the rows again. */
export type Apply = (
  address: Address,
  plan: (stored: StoredAccount) => Plan,
) => Promise<Applied | { readonly kind: 'overtaken' }>

/**
 * Who comes while a write for the address is under way waits for it and is told to look again: its success is not
 * shared, for it may be another directory user's. Nor is a refusal: it may have been about the other one's service.
 */
export function createApply(writer: MailboxWriter): Apply {
  const flights = new Map<string, Promise<Applied>>()
  return async (address, plan) => {
    let flight = flights.get(address.full)
    while (flight !== undefined) {
      const applied = await flight.catch(() => undefined)
      if (applied?.kind === 'done') return { kind: 'overtaken' }
      flight = flights.get(address.full)
    }
    const own = writer.apply(address, plan)
    flights.set(address.full, own)
    try {
      return await own
    } finally {
      flights.delete(address.full)
    }
  }
}
