/** The database as the connection test looks at it: nothing is made, nothing changed, and no memory of ours touched. */
import { sql } from 'kysely'
import type {
  AliasDomain,
  DomainFigures,
  MissingRight,
  StoreProbe,
  TemplateState,
} from '../check/store-probe.ts'
import { parseTemplate } from '../mailbox/parse-template.ts'
import { MAX_TEMPLATES } from './account-query.ts'
import type { AppPasswords } from './app-passwords.ts'
import type { Border } from './border.ts'
import type { Dialect, Reader } from './dialect/dialect.ts'
import { missingColumns, type Migrator, type Schema } from './migrations/migrate.ts'
import { neededRights, statementFor, type NeededRight } from './rights.ts'

const MAX_DOMAINS = 100_000
const MIB = 1024 * 1024

export interface ProbedStore {
  readonly border: Border
  readonly migrator: Migrator
  readonly schema: Schema
  readonly appPasswords: AppPasswords
}

export function createStoreProbe({ border, migrator, schema, appPasswords }: ProbedStore): StoreProbe {
  const { dialect } = border
  return {
    where: dialect.where,
    version: () => border.unprepared((db) => versionOf(db, dialect)),
    pendingStatements: () => border.unprepared(async () => (await migrator.pending()).length),
    missingRights: ({ maps }) =>
      border.unprepared(() => missingRights(dialect, neededRights(schema, { maps }))),
    missing: ({ maps }) => border.unprepared(async (db) => missing(await dialect.columns(db), maps)),
    domains: () => border.unprepared(domains),
    aliasDomains: () => border.unprepared(aliasDomains),
    templates: () => border.unprepared(templates),
    crowded: (most) => appPasswords.crowded(most),
  }
}

type Columns = Parameters<typeof missingColumns>[0]

function missing(columns: Columns, maps: boolean): readonly string[] {
  const always = missingColumns(columns, 'all')
  return maps ? [...always, ...missingColumns(columns, 'maps')] : always
}

async function versionOf(db: Reader, dialect: Dialect): Promise<string> {
  const version = dialect.kind === 'mysql' ? sql<string>`version()` : sql<string>`sqlite_version()`
  const { rows } = await sql<{ version: string }>`select ${version} as version`.execute(db)
  return rows[0]?.version ?? 'unknown'
}

/** Within one transaction, which is rolled back: whoever may not write at all is told by its beginning. */
async function missingRights(
  dialect: Dialect,
  all: readonly NeededRight[],
): Promise<readonly MissingRight[]> {
  const trx = await dialect.writer.startTransaction().execute()
  try {
    const missing: MissingRight[] = []
    for (const needed of all) {
      const fault = await statementFor(needed)
        .execute(trx)
        .then(
          () => undefined,
          (error: unknown) => ({ error, kind: dialect.faultOf(error).kind }),
        )
      if (fault?.kind === 'denied') missing.push(needed)
      else if (fault?.kind === 'unavailable') throw fault.error
    }
    return missing
  } finally {
    // A connection that is gone has rolled back.
    await trx
      .rollback()
      .execute()
      .catch(() => undefined)
  }
}

async function domains(db: Reader): Promise<readonly DomainFigures[]> {
  const people = db
    .selectFrom('mailbox')
    .select((eb) => [
      'domain',
      eb.fn.countAll<number | string>().as('mailboxes'),
      eb.fn.sum<number | string | null>('quota').as('quota_sum'),
    ])
    .where('kind', '=', '')
    .groupBy('domain')
    .as('m')
  const rows = await db
    .selectFrom('domain as d')
    .leftJoin('mailpassd_domain as od', 'od.domain', 'd.domain')
    .leftJoin(people, 'm.domain', 'd.domain')
    .select([
      'd.domain as name',
      'd.active as active',
      'd.mailboxes as max_mailboxes',
      'd.quota as quota',
      'od.autojoin as autojoin',
      'od.template as template',
      'm.mailboxes as mailboxes',
      'm.quota_sum as quota_sum',
    ])
    .orderBy('d.domain')
    .limit(MAX_DOMAINS)
    .execute()
  return rows.map((row) => ({
    name: row.name,
    active: row.active === 1,
    autojoin: row.autojoin === null ? undefined : row.autojoin !== 0,
    template: row.template ?? undefined,
    maxMailboxes: row.max_mailboxes,
    mailboxes: Number(row.mailboxes ?? 0),
    quotaBytes: Number(row.quota) * MIB,
    quotaSumBytes: Number(row.quota_sum ?? 0),
  }))
}

async function aliasDomains(db: Reader): Promise<readonly AliasDomain[]> {
  const rows = await db
    .selectFrom('alias_domain')
    .select(['alias_domain', 'target_domain', 'active'])
    .orderBy('alias_domain')
    .limit(MAX_DOMAINS)
    .execute()
  return rows.map((row) => ({
    name: row.alias_domain,
    target: row.target_domain,
    active: row.active === 1,
  }))
}

/** As making a mailbox looks for them: names are not unique there, and the first row counts. */
async function templates(db: Reader): Promise<readonly TemplateState[]> {
  const rows = await db
    .selectFrom('templates')
    .select(['template', 'type', 'attributes'])
    .where('type', '=', 'mailbox')
    .orderBy('id')
    .limit(MAX_TEMPLATES)
    .execute()
  const found = new Map<string, TemplateState>()
  for (const { template: name, type, attributes } of rows) {
    if (type !== 'mailbox' || found.has(name)) continue
    const parsed = parseTemplate(name, attributes)
    found.set(name, { name, fault: parsed.kind === 'unreadable' ? parsed.reason : undefined })
  }
  return [...found.values()]
}
