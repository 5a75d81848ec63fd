/**
 * Who has logged in from where: a pair of mailbox and network with a right password in the last 30 days is known. Asked
 * by whoever shares out something scarce (queue, penalties, calls to the directory), so that strangers cannot use up
 * what those need who belong here.
 */
export interface KnownPairs {
  /** `mailbox` is a canonical address, `network` as `networkOf` writes it. */
  isKnownPair(mailbox: string, network: string): boolean
  /** Any mailbox had a right password from there. */
  isKnownNetwork(network: string): boolean
}

export const NO_PAIRS: KnownPairs = Object.freeze({
  isKnownPair: () => false,
  isKnownNetwork: () => false,
})
