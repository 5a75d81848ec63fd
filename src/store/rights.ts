/**
 * What our user must be allowed to do with each table, and how to find out whether it is: statements that meet no row.
 * The server checks rights before it looks for rows, so they change and lock nothing; SHOW GRANTS would have to be
 * understood with its roles, wildcards and columns, and says nothing of a server that is read-only.
 */
import { sql, type RawBuilder } from 'kysely'
import type { Schema } from './migrations/migrate.ts'
import { MAP_COLUMNS, NEEDED_COLUMNS } from './tables.ts'

export type Right = 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE'

/** Made by mailcow alone, and looked for at the start; where it is absent nothing is asked of it. */
const SOGO_VIEW = '_sogo_static_view'

type NeededTable = keyof typeof NEEDED_COLUMNS | typeof SOGO_VIEW

/** What is written beside reading (REPLACE is INSERT and DELETE). test/store/rights.test.ts holds it to the source. */
const WRITTEN = {
  mailbox: ['INSERT'],
  alias: ['INSERT'],
  quota2: ['INSERT'],
  quota2replica: ['INSERT'],
  user_acl: ['INSERT'],
  tags_mailbox: ['INSERT', 'UPDATE'],
  sasl_log: ['INSERT', 'DELETE'],
  app_passwd: ['INSERT', 'UPDATE', 'DELETE'],
  mailpassd_domain: ['INSERT', 'UPDATE'],
  mailpassd_mailbox: ['INSERT', 'UPDATE'],
  mailpassd_change: ['INSERT', 'DELETE'],
  mailpassd_login: ['INSERT', 'UPDATE', 'DELETE'],
  mailpassd_outbox: ['INSERT', 'UPDATE', 'DELETE'],
  mailpassd_lock: ['INSERT', 'UPDATE', 'DELETE'],
  mailpassd_directory_event: ['INSERT', 'UPDATE'],
  mailpassd_guess: ['INSERT', 'UPDATE', 'DELETE'],
  mailpassd_known_pair: ['INSERT', 'UPDATE', 'DELETE'],
  mailpassd_record: ['INSERT', 'UPDATE', 'DELETE'],
  mailpassd_app_password: ['INSERT', 'UPDATE', 'DELETE'],
  mailpassd_app_password_use: ['INSERT', 'UPDATE', 'DELETE'],
} as const satisfies { readonly [T in NeededTable]?: readonly Right[] }

/** With the schema of that name alone: mailcow's domains are only read. */
const WRITTEN_WITH = {
  standalone: { domain: ['INSERT', 'UPDATE'] },
  mailcow: { [SOGO_VIEW]: ['INSERT', 'DELETE'] },
} as const satisfies Record<Schema, { readonly [T in NeededTable]?: readonly Right[] }>

export interface NeededRight {
  readonly table: string
  readonly right: Right
}

/** All of them; `maps`: with what Postfix's maps read. */
export function neededRights(schema: Schema, { maps }: { readonly maps: boolean }): readonly NeededRight[] {
  const written: Readonly<Record<string, readonly Right[]>> = { ...WRITTEN, ...WRITTEN_WITH[schema] }
  const tables = new Set([
    ...Object.keys(NEEDED_COLUMNS),
    ...(maps ? Object.keys(MAP_COLUMNS) : []),
    ...Object.keys(written),
  ])
  return [...tables].flatMap((table) =>
    (['SELECT', ...(written[table] ?? [])] as const).map((right) => ({ table, right })),
  )
}

const COLUMNS: Readonly<Record<string, readonly string[]>> = { ...MAP_COLUMNS, ...NEEDED_COLUMNS }

/** A statement that needs the right and meets no row. */
export function statementFor({ table, right }: NeededRight): RawBuilder<unknown> {
  const name = sql.table(table)
  const column = sql.ref(COLUMNS[table]?.[0] ?? 'c_uid')
  switch (right) {
    case 'SELECT':
      return sql`select ${column} from ${name} where 1 = 0`
    case 'INSERT':
      return sql`insert into ${name} select * from ${name} where 1 = 0`
    case 'UPDATE':
      return sql`update ${name} set ${column} = ${column} where 1 = 0`
    case 'DELETE':
      return sql`delete from ${name} where 1 = 0`
  }
}
