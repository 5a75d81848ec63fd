/** Locks of mailboxes, and who used a locked mailbox lately (incident/incident.ts). */
import { sql } from 'kysely'
import type {
  Lock,
  LockAddress,
  Locked,
  Locks,
  LockState,
  LockTerms,
  RecentUse,
} from '../incident/incident.ts'
import type { Clock } from '../clock.ts'
import type { EndCause, SessionEnding } from '../outbox/end-sessions.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Accounts } from './accounts.ts'
import type { Border } from './border.ts'
import { writeChangeRow } from './changes.ts'
import type { Reader } from './dialect/dialect.ts'
import { loadRecentUse } from './recent-use.ts'
import { endSessions } from './sessions.ts'

export interface StoreLocksOptions {
  readonly border: Border
  readonly accounts: Accounts
  readonly ending: SessionEnding
  readonly clock: Clock
  readonly logger: Logger
}

export class StoreLocks implements Locks {
  readonly #border: Border
  readonly #accounts: Accounts
  readonly #ending: SessionEnding
  readonly #clock: Clock
  readonly #logger: Logger

  constructor({ border, accounts, ending, clock, logger }: StoreLocksOptions) {
    this.#border = border
    this.#accounts = accounts
    this.#ending = ending
    this.#clock = clock
    this.#logger = logger
  }

  async lock(address: LockAddress, terms: LockTerms): Promise<Locked> {
    const { full } = address
    const { dialect } = this.#border
    const ending = await this.#border.write(async (trx) => {
      const nowMs = this.#clock.nowMs()
      const before = await lookupLock(trx, full)
      const stays = before !== undefined && isInForce(before, nowMs)
      await trx
        .insertInto('mailpassd_lock')
        .values({
          username: full,
          since_ms: stays ? before.sinceMs : nowMs,
          until_ms: terms.untilMs ?? null,
          reason: terms.reason ?? (stays ? before.reason : ''),
        })
        .modifyEnd(
          dialect.onDuplicate(
            ['username'],
            (['since_ms', 'until_ms', 'reason'] as const).map(
              (column) => sql`${sql.ref(column)} = ${dialect.incoming(column)}`,
            ),
          ),
        )
        .execute()
      await writeChangeRow(trx, { address: full, kind: 'mailbox', atMs: nowMs })
      return endSessions(trx, { address: full, cause: 'lock', nowMs }, this.#ending)
    })
    return { ...(await this.#stateAfterwards(address)), ending }
  }

  async unlock(address: LockAddress): Promise<LockState & { readonly before: Lock | undefined }> {
    const { full } = address
    const before = await this.#border.write(async (trx) => {
      const lock = await lookupLock(trx, full)
      if (lock === undefined) return undefined
      await trx.deleteFrom('mailpassd_lock').where('username', '=', full).execute()
      await writeChangeRow(trx, { address: full, kind: 'mailbox', atMs: this.#clock.nowMs() })
      return lock
    })
    return { ...(await this.#stateAfterwards(address)), before }
  }

  async show(address: LockAddress): Promise<LockState> {
    const { full } = address
    const lock = await this.#border.read((db) => lookupLock(db, full))
    const stored = await this.#accounts.loadAccount(address)
    const use = await this.#border.read((db) => loadRecentUse(db, this.#border.dialect, full))
    return this.#state(address, lock, kindOf(stored), use)
  }

  /** The lock alone, also where its time is over. */
  async lookup({ full }: LockAddress): Promise<Pick<LockState, 'lock' | 'isLocked'>> {
    const lock = await this.#border.read((db) => lookupLock(db, full))
    return { lock, isLocked: lock !== undefined && isInForce(lock, this.#clock.nowMs()) }
  }

  /** Whether live sessions still have to end: those of a lock only while it is in force. */
  async isWanted(address: string, cause: EndCause): Promise<boolean> {
    if (cause !== 'lock') return true
    const lock = await this.#border.read((db) => lookupLock(db, address))
    return lock !== undefined && isInForce(lock, this.#clock.nowMs())
  }

  /** What was written stands, whether more can be told of it or not. */
  async #stateAfterwards(address: LockAddress): Promise<LockState> {
    const { full } = address
    const lock = await this.#border.read((db) => lookupLock(db, full))
    let kind: LockState['mailbox'] = 'present'
    let use: RecentUse | undefined
    try {
      kind = kindOf(await this.#accounts.loadAccount(address))
      use = await this.#border.read((db) => loadRecentUse(db, this.#border.dialect, full))
    } catch (error) {
      this.#logger.warn({ err: error, address: full }, 'who used the mailbox lately could not be read')
    }
    return this.#state(address, lock, kind, use)
  }

  #state(
    { full }: LockAddress,
    lock: Lock | undefined,
    mailbox: LockState['mailbox'],
    use: RecentUse | undefined,
  ): LockState {
    const isLocked = lock !== undefined && isInForce(lock, this.#clock.nowMs())
    return { address: full, mailbox, lock, isLocked, use }
  }
}

function isInForce({ untilMs }: Lock, nowMs: number): boolean {
  return untilMs === undefined || nowMs < untilMs
}

function kindOf(stored: Awaited<ReturnType<Accounts['loadAccount']>>): LockState['mailbox'] {
  if (stored.mailbox !== undefined) return 'present'
  if (stored.aliasDomainOf !== undefined) return 'alias_domain'
  return stored.making?.isAlias === true ? 'alias' : 'absent'
}

async function lookupLock(db: Reader, full: string): Promise<Lock | undefined> {
  const row = await db
    .selectFrom('mailpassd_lock')
    .select(['username', 'since_ms', 'until_ms', 'reason'])
    .where('username', '=', full)
    .executeTakeFirst()
  if (row === undefined || row.username !== full) return undefined
  return {
    sinceMs: Number(row.since_ms),
    untilMs: row.until_ms === null ? undefined : Number(row.until_ms),
    reason: row.reason,
  }
}
