/** Where `mailpassd log` reads: the running daemon where one answers, else the database itself. */
import { Compile } from 'typebox/compile'
import { systemClock } from '../clock.ts'
import type { LoadedConfig } from '../config/load.ts'
import { MailpassdError } from '../errors.ts'
import type { LoginLine } from '../login-log/line.ts'
import { loginPage, LoginPage, MAX_PAGE_LINES } from '../login-log/page.ts'
import { parseLoginQuery, type LoginQuery } from '../login-log/query.ts'
import { openStore, type Store } from '../store/database.ts'
import { silentLogger } from '../telemetry/logger.ts'
import { adminSocketOf, askDaemon } from './admin-socket.ts'
import { mustHaveDatabase } from './with-store.ts'

export interface LogPages {
  /** Throws MailpassdError input_invalid, store_*, not_found, internal. */
  page(query: LoginQuery, limit: number, cursor?: string): Promise<LoginPage>
  close(): Promise<void>
}

const answer = Compile(LoginPage)

/** `onOwn` is called once, however often it is tried, when the database is opened because no daemon answers. */
export function openLogPages(loaded: LoadedConfig, onOwn: () => void): LogPages {
  const socket = adminSocketOf(loaded)
  let store: Promise<Store> | undefined
  let isSaid = false

  async function own(): Promise<Store> {
    if (store !== undefined) return store
    mustHaveDatabase(loaded)
    if (!isSaid) onOwn()
    isSaid = true
    const { config, dataDir } = loaded
    const opening = openStore({ ...config.store, dataDir }, { clock: systemClock, logger: silentLogger })
    store = opening
    opening.catch(() => {
      store = undefined
    })
    return opening
  }

  return {
    async page(query, limit, cursor) {
      // Asked each time: a daemon that is started or restarted meanwhile is read from then on.
      const told = socket === undefined ? undefined : await askDaemon(socket, pathOf(query, limit, cursor))
      if (told !== undefined) return parse(told)
      const filter = parseLoginQuery(query, systemClock.nowMs())
      return loginPage((await own()).loginLog, filter, { limit, cursor })
    },
    async close() {
      await (await store)?.close()
    },
  }
}

function pathOf(query: LoginQuery, limit: number, cursor: string | undefined): string {
  const params = new URLSearchParams({ limit: String(limit) })
  for (const [name, value] of Object.entries({ ...query, cursor }))
    if (typeof value === 'string') params.set(name, value)
  return `/v1/logins?${params.toString()}`
}

function parse(told: object): LoginPage {
  if (answer.Check(told)) return told
  throw new MailpassdError(
    'internal',
    'the daemon answers in another way than this command reads; restart it',
  )
}

/** The newest `limit` lines, newest first, page by page; stops where a page finds nothing of a search. */
export async function newest(
  pages: LogPages,
  query: LoginQuery,
  limit: number,
): Promise<{ readonly lines: readonly LoginLine[]; readonly next: string | null }> {
  const lines: LoginLine[] = []
  let next: string | null = null
  do {
    const wanted = Math.min(MAX_PAGE_LINES, limit - lines.length)
    const page = await pages.page(query, wanted, next ?? undefined)
    lines.push(...page.logins)
    next = page.next
    if (page.logins.length < wanted) break
  } while (next !== null && lines.length < limit)
  return { lines, next }
}
