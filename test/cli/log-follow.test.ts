/** `mailpassd log --follow` while its source fails and comes back, and when nobody reads any more. */
import t from 'tap'
import { followLog } from '../../src/cli/log-follow.ts'
import type { LogPages } from '../../src/cli/log-source.ts'
import { MailpassdError } from '../../src/errors.ts'
import type { LoginLine } from '../../src/login-log/line.ts'
import { recordedIo } from './recorded-io.ts'

const line: LoginLine = {
  first: '2026-01-02T03:04:05.000Z',
  last: '2026-01-02T03:04:06.000Z',
  count: 2,
  mailbox: 'jane@example.org',
  network: '192.0.2.0/24',
  service: 'imap',
  credential: '',
  verdict: 'password_mismatch',
  why: 'hash_differs',
  meaning: 'None matched.',
}

t.test('a failure is said once, and what came meanwhile is shown', async (t) => {
  const down = new MailpassdError('store_unavailable', 'MariaDB x: refused')
  const one = { ...line, last: '2026-01-02T03:05:00.000Z', count: 5 }
  const other = { ...line, mailbox: 'joe@example.org', count: 1 }
  // The lines at the beginning, those that are no news, and then a look each second.
  const answers = [[line], [line], down, down, [one, other], [one, other]]
  const listeners = process.listenerCount('SIGINT')
  const reader = new AbortController()
  const pages: LogPages = {
    page: async () => {
      const answer = answers.shift() ?? []
      if (answers.length === 0) reader.abort()
      if (answer instanceof Error) throw answer
      return { logins: answer, next: null }
    },
    close: async () => {},
  }
  const io = { ...recordedIo(), outputEnded: reader.signal }
  await followLog({ pages, query: {}, limit: 10, style: { isJson: true, isLocal: false }, io })
  const shown = io.seen.out
    .trim()
    .split('\n')
    .map((text): unknown => JSON.parse(text))
  t.match(shown, [
    { mailbox: 'jane@example.org', count: 2 },
    { mailbox: 'joe@example.org', count: 1 },
    { mailbox: 'jane@example.org', count: 3 },
  ])
  t.equal(
    io.seen.err,
    'mailpassd: MariaDB x: refused; trying again each second\nmailpassd: the login log is read again\n',
  )
  t.equal(process.listenerCount('SIGINT'), listeners)
})

t.test('what a node writes only after an outage is not missed', async (t) => {
  const down = new MailpassdError('store_unavailable', 'MariaDB x: refused')
  const late = { ...line, mailbox: 'joe@example.org', count: 1 }
  const answers = [[line], [line], down, down, [], [], [late]]
  const asked: number[] = []
  const reader = new AbortController()
  const pages: LogPages = {
    page: async ({ since }) => {
      asked.push(Date.parse(since ?? ''))
      const answer = answers.shift() ?? []
      if (answers.length === 0) reader.abort()
      if (answer instanceof Error) throw answer
      return { logins: answer, next: null }
    },
    close: async () => {},
  }
  const io = { ...recordedIo(), outputEnded: reader.signal }
  await followLog({ pages, query: {}, limit: 10, style: { isJson: true, isLocal: false }, io })
  const [outage = Number.NaN, ...later] = asked.slice(2)
  t.same(new Set(later), new Set([outage]), 'each look goes back to before the outage')
  t.match(io.seen.out, 'joe@example.org')
})

t.test('of a line that grows the new logins are shown, whatever was shown at the beginning', async (t) => {
  // Real time: the hour of the lines is this one.
  const nowMs = Date.now()
  const at = (ms: number) => new Date(ms).toISOString()
  const older = {
    ...line,
    mailbox: 'joe@example.org',
    first: at(nowMs - (nowMs % 3_600_000)),
    last: at(Math.max(nowMs - 20 * 60_000, nowMs - (nowMs % 3_600_000))),
    count: 50,
  }
  const newer = { ...line, first: at(nowMs), last: at(nowMs), count: 2 }
  const rows = [newer, older]
  let looks = 0
  const reader = new AbortController()
  const pages: LogPages = {
    page: async ({ since }, limit) => {
      looks += 1
      if (looks === 3) rows.splice(0, 2, { ...older, last: at(nowMs + 1), count: 51 }, newer)
      if (looks === 4) reader.abort()
      const found = rows.filter(({ last }) => since === undefined || last >= since)
      return { logins: found.slice(0, limit), next: null }
    },
    close: async () => {},
  }
  const io = { ...recordedIo(), outputEnded: reader.signal }
  await followLog({ pages, query: {}, limit: 1, style: { isJson: true, isLocal: false }, io })
  const shown = io.seen.out
    .trim()
    .split('\n')
    .map((text): unknown => JSON.parse(text))
  t.match(shown, [
    { mailbox: 'jane@example.org', count: 2 },
    { mailbox: 'joe@example.org', count: 1 },
  ])
})

t.test('what fails at the beginning is an error', async (t) => {
  const pages: LogPages = {
    page: () => Promise.reject(new MailpassdError('store_unavailable', 'down')),
    close: async () => {},
  }
  const style = { isJson: false, isLocal: true }
  await t.rejects(followLog({ pages, query: {}, limit: 1, style, io: recordedIo() }), {
    code: 'store_unavailable',
  })
})
