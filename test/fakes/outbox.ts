/** An outbox in memory, with leases as the table has them. */
import type { Clock } from '../../src/clock.ts'
import { MailpassdError } from '../../src/errors.ts'
import type { OutboxRow, OutboxSource } from '../../src/outbox/outbox.ts'

interface Kept extends OutboxRow {
  readonly dueMs: number
  readonly lastError: string
}

export class FakeOutbox implements OutboxSource {
  rows: readonly Kept[] = []
  isDown = false
  readonly #clock: Clock
  #lastId = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(consumer: string, address: string, afterMs = 0, body: unknown = {}): void {
    const nowMs = this.#clock.nowMs()
    const row = { consumer, action: 'end_sessions', address, body, tries: 0, leaseUntilMs: 0, lastError: '' }
    this.#lastId += 1
    this.rows = [...this.rows, { ...row, id: this.#lastId, createdMs: nowMs, dueMs: nowMs + afterMs }]
  }

  async claim(consumer: string, limit: number, leaseMs: number): Promise<readonly OutboxRow[]> {
    this.#refuseWhenDown()
    const nowMs = this.#clock.nowMs()
    const claimed: Kept[] = []
    this.rows = this.rows.map((row) => {
      const isFree = row.consumer === consumer && row.dueMs <= nowMs && row.leaseUntilMs <= nowMs
      if (!isFree || claimed.length >= limit) return row
      const mine = { ...row, tries: row.tries + 1, leaseUntilMs: nowMs + leaseMs }
      claimed.push(mine)
      return mine
    })
    return claimed
  }

  async done({ id }: OutboxRow): Promise<void> {
    this.#refuseWhenDown()
    this.rows = this.rows.filter((row) => row.id !== id)
  }

  async postpone({ id, leaseUntilMs }: OutboxRow, lastError: string, dueMs: number): Promise<void> {
    this.#refuseWhenDown()
    this.rows = this.rows.map((row) =>
      row.id === id && row.leaseUntilMs === leaseUntilMs
        ? { ...row, lastError, dueMs, leaseUntilMs: 0 }
        : row,
    )
  }

  #refuseWhenDown(): void {
    if (this.isDown) throw new MailpassdError('store_unavailable', 'down')
  }
}
