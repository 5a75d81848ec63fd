/**
 * What our user must be allowed to do with each table, and how to find out whether it is: statements that meet no row.
 * The server checks rights before it looks for rows, so they change and lock nothing; SHOW GRANTS would have to be
 * understood with its roles, wildcards and columns, and says nothing of a server that is read-only.
 */
import { sql, type RawBuilder } from 'kysely'
import { NEEDED_COLUMNS } from './tables.ts'

export type Right = 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE'
type NeededTable = keyof typeof NEEDED_COLUMNS

/** Made by mailcow alone, and looked for at the start; where it is absent nothing is asked of it. */
export const SOGO_VIEW = '_sogo_static_view'

/** What is written beside reading; mailcow's `domain` is only read. test/store/rights.test.ts holds it to the source. */
const WRITTEN: Readonly<Partial<Record<NeededTable, readonly Right[]>>> = {
  mailbox: ['INSERT'],
  alias: ['INSERT'],
  quota2: ['INSERT'],
  quota2replica: ['INSERT'],
  user_acl: ['INSERT'],
  tags_mailbox: ['INSERT'],
  sasl_log: ['INSERT', 'DELETE'],
  mailpassd_domain: ['INSERT', 'UPDATE'],
  mailpassd_mailbox: ['INSERT', 'UPDATE'],
  mailpassd_change: ['INSERT', 'DELETE'],
  mailpassd_login: ['INSERT', 'UPDATE', 'DELETE'],
  mailpassd_outbox: ['INSERT', 'UPDATE', 'DELETE'],
}
const WRITTEN_STANDALONE: typeof WRITTEN = { domain: ['INSERT', 'UPDATE'] }

export interface NeededRight {
  readonly table: NeededTable | typeof SOGO_VIEW
  readonly right: Right
}

/** All of them, table by table. */
export function neededRights(schema: 'standalone' | 'mailcow'): readonly NeededRight[] {
  const written = schema === 'standalone' ? { ...WRITTEN, ...WRITTEN_STANDALONE } : WRITTEN
  const needed = tablesNeeded().flatMap((table) =>
    (['SELECT', ...(written[table] ?? [])] as const).map((right) => ({ table, right })),
  )
  return schema === 'standalone' ? needed : [...needed, ...SOGO_RIGHTS]
}

/** REPLACE is both. */
const SOGO_RIGHTS = (['SELECT', 'INSERT', 'DELETE'] as const).map(
  (right) => ({ table: SOGO_VIEW, right }) as const,
)

function tablesNeeded(): NeededTable[] {
  const names: ReadonlySet<string> = new Set(Object.keys(NEEDED_COLUMNS))
  const isNeeded = (name: string): name is NeededTable => names.has(name)
  return [...names].filter(isNeeded)
}

/** A statement that needs the right and meets no row. */
export function statementFor({ table, right }: NeededRight): RawBuilder<unknown> {
  const name = sql.table(table)
  const column = sql.ref(table === SOGO_VIEW ? 'c_uid' : NEEDED_COLUMNS[table][0])
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
