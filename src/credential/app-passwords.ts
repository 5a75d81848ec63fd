/**
 * App passwords as their owner's operator handles them: made (and told once), listed, revoked. One way for command line
 * and HTTP interface.
 */
import { lifeOf, type AppPasswordLife } from '../account/app-password-life.ts'
import type { OwnAppPassword } from '../account/stored.ts'
import type { Clock } from '../clock.ts'
import { MailpassdError } from '../errors.ts'
import type { Address } from '../login/address.ts'
import type { FlaggedService } from '../login/service.ts'
import type { Secret } from '../secret.ts'
import { makeAppPassword } from './app-password.ts'
import { checkWish, type AppPasswordWish, type CheckedWish } from './app-password-wish.ts'

export interface LastUse {
  readonly atMs: number
  readonly service: string
  /** By mask, as in the login log. */
  readonly network: string
}

/** An app password as the store lists it, whoever made it. */
export interface ListedAppPassword {
  readonly id: number
  readonly name: string
  readonly services: readonly FlaggedService[]
  readonly active: boolean
  /** Absent where it was made elsewhere. */
  readonly own: OwnAppPassword | undefined
  readonly lastUse: LastUse | undefined
}

/** An app password as it is shown: no secret, no hash. */
export interface AppPasswordView {
  readonly id: number
  readonly name: string
  readonly madeBy: 'mailpassd' | 'mailcow'
  readonly state: AppPasswordLife
  readonly services: readonly FlaggedService[]
  readonly networks: readonly string[]
  /** Absent where it was made elsewhere. */
  readonly createdMs: number | undefined
  readonly expiresMs: number | undefined
  readonly unusedDays: number | undefined
  readonly lastUse: LastUse | undefined
}

export interface NewAppPassword extends CheckedWish {
  readonly tag: string
  readonly hash: string
}

/** The store as this room needs it. Throws MailpassdError store_*. */
export interface AppPasswordRows {
  /**
   * Writes a new one, bound to the directory user whom the mailbox belongs to now. `tag_taken`: another of this mailbox
   * has the tag. Throws not_found (no such mailbox), limit_reached.
   */
  create(address: Address, made: NewAppPassword): Promise<ListedAppPassword | 'tag_taken'>
  /** Ours first, newest first. Throws not_found. */
  list(address: Address): Promise<readonly ListedAppPassword[]>
  /** For good, at once, for every program that reads the table; again is no fault. Throws not_found. */
  revoke(address: Address, id: number): Promise<ListedAppPassword>
}

export interface AppPasswords {
  /** The caller wipes the secret once it was told; it is told nowhere else. Throws input_invalid and as the rows do. */
  create(
    address: Address,
    wish: AppPasswordWish,
  ): Promise<{ readonly made: AppPasswordView; readonly secret: Secret }>
  list(address: Address): Promise<readonly AppPasswordView[]>
  revoke(address: Address, id: number): Promise<AppPasswordView>
}

/** A tag is one of a thousand million; a mailbox has some hundred at most. */
const MAX_TRIES = 5

export function createAppPasswords(parts: {
  readonly rows: AppPasswordRows
  /** A `{SSHA512}` hash: what mailcow's PHP and Dovecot compare too; 100 random bits need no slow one. */
  readonly hash: (secret: Secret) => Promise<string>
  readonly clock: Clock
  /** Told after a change, so that it counts in this process at once. */
  readonly changed?: (address: Address) => void
}): AppPasswords {
  const { rows, hash, clock, changed = () => {} } = parts
  return {
    async create(address, wish) {
      const checked = checkWish(wish, clock.nowMs())
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const { tag, secret } = makeAppPassword()
        const made = await rows.create(address, { ...checked, tag, hash: await hash(secret) })
        if (made === 'tag_taken') {
          secret.wipe()
          continue
        }
        changed(address)
        return { made: viewOf(made, clock.nowMs()), secret }
      }
      throw new MailpassdError('internal', 'no tag was free, which random numbers do not do')
    },

    async list(address) {
      const nowMs = clock.nowMs()
      return (await rows.list(address)).map((row) => viewOf(row, nowMs))
    },

    async revoke(address, id) {
      const revoked = await rows.revoke(address, id)
      changed(address)
      return viewOf(revoked, clock.nowMs())
    },
  }
}

function viewOf(row: ListedAppPassword, nowMs: number): AppPasswordView {
  const { id, name, services, active, own, lastUse } = row
  return {
    id,
    name,
    madeBy: own === undefined ? 'mailcow' : 'mailpassd',
    state: own === undefined ? (active ? 'active' : 'off') : lifeOf(own, active, lastUse?.atMs, nowMs),
    services,
    networks: own?.networks ?? [],
    createdMs: own?.createdMs,
    expiresMs: own?.expiresMs,
    unusedDays: own?.unusedDays,
    lastUse,
  }
}

/** As JSON for the HTTP interface and `--json`. Times are ISO 8601 in UTC; null where there is none. */
export function appPasswordJson(view: AppPasswordView) {
  const time = (atMs: number | undefined) => (atMs === undefined ? null : new Date(atMs).toISOString())
  const { lastUse } = view
  return {
    id: view.id,
    name: view.name,
    made_by: view.madeBy,
    state: view.state,
    protocols: [...view.services],
    allowed_networks: [...view.networks],
    created_at: time(view.createdMs),
    expires_at: time(view.expiresMs),
    unused_days: view.unusedDays ?? null,
    last_used:
      lastUse === undefined
        ? null
        : { at: time(lastUse.atMs), service: lastUse.service, network: lastUse.network },
  }
}
