/**
 * What reading a directory's events needs of the store (directory/events.ts, second-look.ts): up to where they were read,
 * which users have a mailbox, and the end of their sessions.
 */
import { sql } from 'kysely'
import type { Clock } from '../clock.ts'
import {
  causeOf,
  dovecotConsumer,
  END_SESSIONS,
  type EndCause,
  type SessionEnding,
} from '../outbox/end-sessions.ts'
import type { Border } from './border.ts'
import type { Writer } from './dialect/dialect.ts'
import { endSessions } from './sessions.ts'

/** Ids of one statement. */
const MAX_IDS = 500
/** Width of the column. */
const PLACE_LENGTH = 255
/** A position so far ahead is from before the directory's clock was set back. */
const AHEAD_MS = 60 * 60 * 1000

export class DirectoryEvents {
  readonly #border: Border
  readonly #ending: SessionEnding
  readonly #clock: Clock

  constructor(border: Border, ending: SessionEnding, clock: Clock) {
    this.#border = border
    this.#ending = ending
    this.#clock = clock
  }

  /** The position of this directory; another server or realm has another. */
  position(directory: string) {
    const place = directory.slice(0, PLACE_LENGTH).toWellFormed()
    return {
      load: async (): Promise<number | undefined> => {
        const row = await this.#border.read((db) =>
          db
            .selectFrom('mailpassd_directory_event')
            .select('at_ms')
            .where('directory', '=', place)
            .executeTakeFirst(),
        )
        return row === undefined ? undefined : Number(row.at_ms)
      },
      /** Nodes share it: it goes back only where it was far ahead. */
      save: async (atMs: number): Promise<void> => {
        const { dialect } = this.#border
        const at = sql.ref('mailpassd_directory_event.at_ms')
        const next = dialect.incoming('at_ms')
        await this.#border.write((trx) =>
          trx
            .insertInto('mailpassd_directory_event')
            .values({ directory: place, at_ms: atMs })
            .modifyEnd(
              dialect.onDuplicate(
                ['directory'],
                [
                  sql`at_ms = case when ${at} > ${next} and ${at} < ${next} + ${AHEAD_MS} then ${at} else ${next} end`,
                ],
              ),
            )
            .execute(),
        )
      },
    }
  }

  /** Of these users (500 at most) those to whom a mailbox belongs. */
  async known(ids: readonly string[]): Promise<readonly string[]> {
    const rows = await this.#rowsOf(ids)
    return [...new Set(rows.map(({ id }) => id))]
  }

  /**
   * Ends the live sessions of these users' mailboxes, those whose password is the directory's. One that was written down
   * a moment ago, by another node or for another event, is not written again. Gives the addresses of those written now.
   */
  async end(
    departed: readonly { readonly id: string; readonly cause: EndCause }[],
  ): Promise<readonly string[]> {
    if (this.#ending.dovecots.length === 0) return []
    const causes = new Map(departed.map(({ id, cause }) => [id, cause]))
    const ended: string[] = []
    for (const { address, id } of await this.#rowsOf([...causes.keys()])) {
      const cause = causes.get(id)
      const domain = address.slice(address.lastIndexOf('@') + 1)
      if (cause === undefined) continue
      const isNew = await this.#border.write(async (trx) => {
        // Nodes that read the same event take turns.
        await this.#border.dialect.lockDomain(trx, domain)
        if (await this.#isEnding(trx, address, cause)) return false
        await endSessions(trx, { address, cause, nowMs: this.#clock.nowMs() }, this.#ending)
        return true
      })
      if (isNew) ended.push(address)
    }
    return ended
  }

  async #isEnding(trx: Writer, address: string, cause: EndCause): Promise<boolean> {
    const rows = await trx
      .selectFrom('mailpassd_outbox')
      .select('body')
      .where('address', '=', address)
      .where('consumer', 'in', this.#ending.dovecots.map(dovecotConsumer))
      .where('action', '=', END_SESSIONS)
      .execute()
    return rows.some(({ body }) => causeIn(body) === cause)
  }

  async #rowsOf(ids: readonly string[]): Promise<readonly { address: string; id: string }[]> {
    if (ids.length === 0) return []
    return this.#border.read(async (db) => {
      const bound = await db
        .selectFrom('mailpassd_mailbox')
        .select(['username', 'directory_id'])
        .where('directory_id', 'in', ids.slice(0, MAX_IDS))
        .execute()
      if (bound.length === 0) return []
      // No join: the tables' collations differ, and with them their indexes.
      const mailboxes = await db
        .selectFrom('mailbox')
        .select('username')
        .where(
          'username',
          'in',
          bound.map(({ username }) => username),
        )
        .where('authsource', '=', 'keycloak')
        .execute()
      // By bytes: mailcow's collation folds case and accents.
      const names = new Set(mailboxes.map(({ username }) => username))
      return bound.flatMap(({ username, directory_id: id }) =>
        id !== null && names.has(username) ? [{ address: username, id }] : [],
      )
    })
  }
}

function causeIn(body: string): EndCause | undefined {
  try {
    return causeOf(JSON.parse(body))
  } catch {
    return undefined
  }
}
