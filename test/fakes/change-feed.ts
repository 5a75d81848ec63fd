/** A directory's reports of changes as a test writes them, on a clock of the directory's own. */
import type {
  Change,
  Changed,
  ChangeFeed,
  ChangeSettings,
  ChangeWindow,
} from '../../src/directory/changes.ts'
import { MailpassdError } from '../../src/errors.ts'

const KEPT_ALL: ChangeSettings = { missing: [], keptMs: 7 * 24 * 3_600_000 }

export class FakeFeed implements ChangeFeed {
  /** The directory's clock. Far from ours. */
  serverMs = 5_000_000_000
  settingsAnswer: ChangeSettings | 'hidden' = KEPT_ALL
  fails: 'directory_unavailable' | 'directory_refused' | undefined
  maxEvents = 10_000
  rulesExpired = 0
  readonly events: Change[] = []
  /** Where each window began. */
  readonly windows: number[] = []
  #ids = 0

  /** Something happens now, or happened at `atMs` and is committed now. */
  tell(what: Changed, atMs = this.serverMs, id = `event-${(this.#ids += 1)}`): void {
    this.events.push({ id, atMs, what })
  }

  /** A user was written as a whole. */
  tellUser(id: string, atMs = this.serverMs): void {
    this.tell({ kind: 'user', id, entire: true }, atMs)
  }

  async settings(): Promise<ChangeSettings | 'hidden'> {
    this.#answer()
    return this.settingsAnswer
  }

  async begin(): Promise<number> {
    this.#answer()
    return this.serverMs
  }

  async read(fromMs: number): Promise<ChangeWindow> {
    this.#answer()
    this.windows.push(fromMs)
    const all = this.events.filter(({ atMs }) => atMs >= fromMs).sort((a, b) => b.atMs - a.atMs)
    return {
      changes: all.slice(0, this.maxEvents),
      asOfMs: this.serverMs,
      isCut: all.length > this.maxEvents,
    }
  }

  expireRules(): void {
    this.rulesExpired += 1
  }

  #answer(): void {
    if (this.fails !== undefined) throw new MailpassdError(this.fails, 'told by the test')
  }
}
