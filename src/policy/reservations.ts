/**
 * Guesses under way: between admission and outcome each different password holds a place at everything it would count
 * at, so that a thousand guesses sent at once are no more than a thousand sent one by one. The same password at the same
 * mailbox holds one place however often it is under way: a phone that opens ten connections needs one.
 */
import type { LoginRequest } from '../login/request.ts'
import type { Origin, Scope } from './scope.ts'
import type { Attempt } from './ticket.ts'

export interface Reservation {
  readonly request: LoginRequest
  readonly mailbox: string
  readonly origin: Origin
  readonly isKnown: boolean
  readonly scopes: readonly Scope[]
  /** Not computed for a known pair that is alone: most logins are. */
  mac: number | undefined
  readonly attempt: Attempt
}

interface UnderWay {
  /** The only one, as long as it is. */
  alone: Reservation | undefined
  /** MAC -> how many requests. */
  macs: Map<number, number> | undefined
}

export class Reservations {
  readonly #macOf: (reservation: Reservation) => number
  readonly #byRequest = new Map<LoginRequest, Reservation>()
  readonly #byScope = new Map<string, UnderWay>()
  /** The newest, in no map yet: nearly every login is released before anybody asks. */
  #newest: Reservation | undefined

  constructor(macOf: (reservation: Reservation) => number) {
    this.#macOf = macOf
  }

  get size(): number {
    return this.#byRequest.size + (this.#newest === undefined ? 0 : 1)
  }

  isBusy(scope: string): boolean {
    this.#enterNewest()
    return this.#byScope.has(scope)
  }

  /** Different passwords under way that `counts` does not know yet; `mac` is one of them. */
  placesWith(scope: string, mac: number, counts: (mac: number) => boolean): number {
    this.#enterNewest()
    const underWay = this.#byScope.get(scope)
    let places = counts(mac) ? 0 : 1
    if (underWay === undefined) return places
    for (const other of this.#macsOf(underWay).keys()) if (other !== mac && !counts(other)) places += 1
    return places
  }

  hold(reservation: Reservation): void {
    this.#enterNewest()
    this.#newest = reservation
  }

  #enterNewest(): void {
    const reservation = this.#newest
    if (reservation === undefined) return
    this.#newest = undefined
    this.#byRequest.set(reservation.request, reservation)
    for (const { key } of reservation.scopes) {
      const underWay = this.#byScope.get(key)
      if (underWay === undefined) {
        this.#byScope.set(key, { alone: reservation, macs: undefined })
        continue
      }
      const macs = this.#macsOf(underWay)
      const mac = this.macOf(reservation)
      macs.set(mac, (macs.get(mac) ?? 0) + 1)
    }
  }

  /** Takes the places back; undefined where the request holds none. */
  release(request: LoginRequest): Reservation | undefined {
    const newest = this.#newest
    if (newest?.request === request) {
      this.#newest = undefined
      return newest
    }
    const reservation = this.#byRequest.get(request)
    if (reservation === undefined) return undefined
    this.#byRequest.delete(request)
    for (const { key } of reservation.scopes) {
      const underWay = this.#byScope.get(key)
      if (underWay === undefined) continue
      if (underWay.macs === undefined) {
        this.#byScope.delete(key)
        continue
      }
      const mac = this.macOf(reservation)
      const rest = (underWay.macs.get(mac) ?? 0) - 1
      if (rest > 0) underWay.macs.set(mac, rest)
      else underWay.macs.delete(mac)
      if (underWay.macs.size === 0) this.#byScope.delete(key)
    }
    return reservation
  }

  macOf(reservation: Reservation): number {
    reservation.mac ??= this.#macOf(reservation)
    return reservation.mac
  }

  #macsOf(underWay: UnderWay): Map<number, number> {
    if (underWay.macs !== undefined) return underWay.macs
    const macs = new Map<number, number>()
    // Its password is still there: whoever answers it releases it before the bytes are wiped.
    if (underWay.alone !== undefined) macs.set(this.macOf(underWay.alone), 1)
    underWay.alone = undefined
    underWay.macs = macs
    return macs
  }
}
