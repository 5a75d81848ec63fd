/** Who used a mailbox lately: by credential and network, by address, by app password. */
import { sql } from 'kysely'
import type { AddressUse, AppPasswordUse, CredentialUse, RecentUse } from '../incident/incident.ts'
import type { Dialect, Reader } from './dialect/dialect.ts'

/** Rows of the login log that are looked at, newest first: 2 us each on SQLite, on the calling thread. */
const MAX_LOG_ROWS = 2000
const MAX_SHOWN = 50
const MAX_APP_PASSWORDS = 200

/** One mailbox's recent use. `full` is its canonical address. */
export async function loadRecentUse(db: Reader, dialect: Dialect, full: string): Promise<RecentUse> {
  return {
    credentials: await credentialUse(db, full),
    addresses: await addressUse(db, dialect, full),
    appPasswords: await appPasswordUse(db, full),
  }
}

async function credentialUse(db: Reader, full: string): Promise<readonly CredentialUse[]> {
  const rows = await db
    .selectFrom((eb) =>
      eb
        .selectFrom('mailpassd_login')
        .select(['credential', 'network', 'service', 'first_ms', 'last_ms', 'count'])
        .where('mailbox', '=', full)
        .where('verdict', '=', 'ok')
        .orderBy('last_ms', 'desc')
        .limit(sql.lit(MAX_LOG_ROWS))
        .as('recent'),
    )
    .select((eb) => [
      'credential',
      'network',
      'service',
      eb.fn.min<number | string>('first_ms').as('first'),
      eb.fn.max<number | string>('last_ms').as('last'),
      eb.fn.sum<number | string>('count').as('logins'),
    ])
    .groupBy(['credential', 'network', 'service'])
    .orderBy('last', 'desc')
    .limit(sql.lit(MAX_SHOWN))
    .execute()
  return rows.map((row) => ({
    credential: row.credential,
    network: row.network,
    service: row.service,
    firstMs: Number(row.first),
    lastMs: Number(row.last),
    count: Number(row.logins),
  }))
}

async function addressUse(db: Reader, dialect: Dialect, full: string): Promise<readonly AddressUse[]> {
  const rows = await db
    .selectFrom('sasl_log')
    .select(['username', 'real_rip', 'service', 'app_password'])
    .select(dialect.epochMs('datetime').as('last'))
    .where('username', '=', full)
    .orderBy('datetime', 'desc')
    .limit(sql.lit(MAX_SHOWN))
    .execute()
  return rows.flatMap((row) =>
    row.username === full
      ? [
          {
            remoteIp: row.real_rip,
            service: row.service,
            credential: (row.app_password ?? 0) === 0 ? 'main' : `app:${row.app_password}`,
            lastMs: Number(row.last),
          },
        ]
      : [],
  )
}

async function appPasswordUse(db: Reader, full: string): Promise<readonly AppPasswordUse[]> {
  const rows = await db
    .selectFrom('app_passwd as p')
    .leftJoin('mailpassd_app_password_use as u', 'u.id', 'p.id')
    .select(['p.id', 'p.name', 'p.mailbox', 'p.active'])
    .select(['u.mailbox as used_by', 'u.last_ms', 'u.last_service', 'u.last_network'])
    .where('p.mailbox', '=', full)
    .orderBy('u.last_ms', 'desc')
    .orderBy('p.id', 'desc')
    .limit(sql.lit(MAX_APP_PASSWORDS))
    .execute()
  return rows.flatMap((row) => {
    if (row.mailbox !== full) return []
    const isUsed = row.used_by === full
    return [
      {
        id: row.id,
        name: row.name,
        active: row.active === 1,
        lastMs: isUsed && row.last_ms !== null ? Number(row.last_ms) : undefined,
        lastService: isUsed ? (row.last_service ?? undefined) : undefined,
        lastNetwork: isUsed ? (row.last_network ?? undefined) : undefined,
      },
    ]
  })
}
