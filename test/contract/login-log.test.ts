/** Reading the login log, and what explain asks beside it, on every database. */
import type { LoginLogEntry, LoginRange } from '../../src/login-log/event.ts'
import { suite } from '../servers/suite.ts'
import { NOW_MS, SUBJECTS } from './store-subjects.ts'

const HOUR_MS = 3_600_000
const hourMs = NOW_MS - (NOW_MS % HOUR_MS)

const login: LoginLogEntry = {
  mailbox: 'jane@example.org',
  network: '192.0.2.0/24',
  service: 'imap',
  credential: 'main',
  verdict: 'ok',
  why: 'verified',
  hourMs,
  firstMs: NOW_MS,
  lastMs: NOW_MS,
  count: 1,
}

for (const subject of SUBJECTS) {
  suite(subject.name, [subject.missing], async (t) => {
    const place = await subject.place(t)
    const store = await place.open()

    await t.test('pages of rows, newest first', async (t) => {
      const many = Array.from({ length: 250 }, (_, index) => ({ ...login, network: `net${index}` }))
      await store.loginLog.writeLogins([
        { ...login, lastMs: NOW_MS + 5, count: 4 },
        ...many,
        { ...login, mailbox: 'JANE@example.org', hourMs: hourMs - HOUR_MS, firstMs: NOW_MS - HOUR_MS },
      ])
      const all: LoginLogEntry[] = []
      for (;;) {
        const page = await store.loginLog.readLogins({ limit: 100, after: all.at(-1) })
        if (page.length === 0) break
        all.push(...page)
      }
      t.equal(all.length, 252)
      const keys = new Set(all.map((row) => `${row.mailbox} ${row.network} ${row.hourMs}`))
      t.equal(keys.size, 252, 'each once, though nearly all have the same time')
      t.match(all[0], { ...login, lastMs: NOW_MS + 5, count: 4 })

      const read = (range: Partial<LoginRange>) => store.loginLog.readLogins({ limit: 500, ...range })
      t.match(await read({ mailbox: 'JANE@example.org' }), [{ mailbox: 'JANE@example.org' }], 'by bytes')
      t.match(await read({ network: 'net7' }), [{ network: 'net7' }])
      t.equal((await read({ sinceMs: NOW_MS + 1 })).length, 1)
      t.equal((await read({ beforeMs: NOW_MS + 1 })).length, 251)
      t.equal((await read({ limit: 100_000 })).length, 252)
      t.same(await read({ mailbox: 'nobody@example.org' }), [])
    })

    await t.test('names of app passwords, of exactly this mailbox', async (t) => {
      const insert = `insert into mailbox (username, password, local_part, domain, attributes, authsource)
        values (?, '', ?, 'example.org', '{}', 'mailcow')`
      for (const local of ['jane', 'joe']) await place.sql(insert, [`${local}@example.org`, local])
      const add = (name: string, mailbox: string, active: number) =>
        place.sql(
          "insert into app_passwd (name, mailbox, domain, password, active) values (?, ?, 'example.org', 'x', ?)",
          [name, mailbox, active],
        )
      await add('Phone', 'jane@example.org', 1)
      await add('Old', 'jane@example.org', 0)
      await add('Other', 'joe@example.org', 1)
      const names = await store.names.appPasswordNames({ full: 'jane@example.org' })
      t.same([...names.values()].sort(), ['Old', 'Phone'])
    })
  })
}
