/** Judges the database: rights, tables, domains and their limits, templates. */
import type { DirectorySettings } from '../config/settings.ts'
import type {
  AliasDomain,
  CrowdedMailbox,
  DomainFigures,
  MissingRight,
  TemplateState,
} from './store-probe.ts'
import { found, type Finding } from './step.ts'
import { counted, listed } from './text.ts'

/** A statement by primary key takes less than a millisecond; a database this far away is felt in every login. */
const WARN_STATEMENT_MS = 50

export function judgeDatabase(where: string, version: string, statementMs: number): Finding {
  const text = `${where} answers, version ${version}, a statement takes ${Math.round(statementMs)} ms`
  return statementMs > WARN_STATEMENT_MS
    ? found.warning(text, 'is the database far away, or busy?')
    : found.ok(text)
}

export function judgeRights(missing: readonly MissingRight[]): Finding {
  if (missing.length === 0) return found.ok('all that are needed')
  const byTable = new Map<string, string[]>()
  for (const { table, right } of missing) byTable.set(table, [...(byTable.get(table) ?? []), right])
  const tables = [...byTable].map(([table, rights]) => `${rights.join(', ')} on ${table}`)
  return found.failed(
    `the user of store.user lacks ${tables.join('; ')}`,
    'as an administrator: GRANT SELECT, INSERT, UPDATE, DELETE on the database to this user',
  )
}

export interface TableState {
  /** As `table x` and `column x.y`. */
  readonly missing: readonly string[]
  /** Statements that would bring them up to date. */
  readonly pending: number
}

/** Whether `table x` or `column x.y` speaks of a mail table, not of one of our own. */
export function isMailTable(what: string): boolean {
  return !/^(?:table|column) mailpassd_/.test(what)
}

/** Of our own tables what is missing is made at the start; of mailcow's never by us. */
export function judgeTables({ missing, pending }: TableState, schema: 'standalone' | 'mailcow'): Finding {
  const theirs = missing.filter(isMailTable)
  if (schema === 'mailcow' && theirs.length > 0)
    return found.failed(
      `missing: ${theirs.join(', ')}`,
      'is store.database the database of a mailcow that is up to date? mailcow makes its tables itself at its start',
    )
  if (pending > 0)
    return found.warning(
      `${counted(pending, 'statement')} would bring the tables up to date`,
      'serve runs them at its start, and `mailpassd migrate` now; both need the rights CREATE and INDEX',
    )
  return missing.length === 0
    ? found.ok('all needed tables and columns are there')
    : found.failed(`missing: ${missing.join(', ')}`, 'somebody changed the tables; restore them')
}

type Rules = Pick<DirectorySettings, 'loginProvisioning' | 'defaultTemplate' | 'mappings'>

/** Domains, who of them makes mailboxes, and which are full. */
export function judgeDomains(
  domains: readonly DomainFigures[],
  aliases: readonly AliasDomain[],
  { loginProvisioning }: Rules,
): Finding {
  if (domains.length === 0)
    return found.warning('there is none, so that nobody can log in', 'mailpassd domain add example.org')
  const names = (some: readonly DomainFigures[]) => listed(some.map(({ name }) => name))
  const active = domains.filter((domain) => domain.active)
  const making = active.filter(({ autojoin }) => autojoin ?? loginProvisioning)
  const full = making.filter(({ mailboxes, maxMailboxes }) => mailboxes >= maxMailboxes)
  const spent = making.filter(
    ({ quotaSumBytes, quotaBytes }) => quotaBytes > 0 && quotaSumBytes >= quotaBytes,
  )
  const known = new Set(domains.map(({ name }) => name))
  const lost = aliases.filter((alias) => alias.active && !known.has(alias.target))
  const about = [
    `${counted(active.length, 'active domain')}, ${making.length} of them with mailboxes made at the first login`,
    ...(active.length === domains.length ? [] : [`${domains.length - active.length} inactive`]),
    ...(aliases.length === 0 ? [] : [counted(aliases.length, 'alias domain')]),
  ].join('; ')
  const faults = [
    ...(active.length === 0 ? [['no domain is active: nobody can log in', 'activate one']] : []),
    ...(full.length === 0
      ? []
      : [
          [
            `at their number of mailboxes, so that none is made: ${names(full)}`,
            'raise it, or delete mailboxes',
          ],
        ]),
    ...(spent.length === 0
      ? []
      : [[`all quota is given out, so that no mailbox with a quota is made: ${names(spent)}`, 'raise it']]),
    ...(lost.length === 0
      ? []
      : [
          [
            `alias domains of a domain that is not there: ${listed(lost.map(({ name, target }) => `${name} of ${target}`))}`,
            'correct or delete them',
          ],
        ]),
  ]
  if (faults.length === 0) return found.ok(about)
  return found.warning(
    `${about}; ${faults.map(([fault]) => fault).join('; ')}`,
    faults.map(([, hint]) => hint).join('; '),
  )
}

/** Templates that the configuration or a domain names, or that are there and cannot be used. */
export function judgeTemplates(
  templates: readonly TemplateState[],
  domains: readonly DomainFigures[],
  { loginProvisioning, defaultTemplate, mappings }: Rules,
): Finding {
  const named = new Map<string, string>()
  for (const { name, template } of domains) if (template !== undefined) named.set(template, `domain ${name}`)
  let index = 0
  for (const template of mappings.values()) named.set(template, `directory.mappings[${index++}]`)
  if (defaultTemplate !== undefined) named.set(defaultTemplate, 'directory.default_template')
  const usable = new Set(templates.filter(({ fault }) => fault === undefined).map(({ name }) => name))
  const broken = new Map(templates.flatMap(({ name, fault }) => (fault === undefined ? [] : [[name, fault]])))
  const missing = [...named].filter(([template]) => !usable.has(template))
  if (missing.length > 0)
    return found.failed(
      missing
        .map(([template, by]) => {
          const why = broken.get(template)
          return `${by} names the mailbox template ${JSON.stringify(template)}, which ${why === undefined ? 'does not exist' : `cannot be used: ${why}`}`
        })
        .join('; '),
      usable.size === 0 ? 'there is no template at all' : `there are: ${listed([...usable])}`,
    )
  const makes = domains.some(({ active, autojoin }) => active && (autojoin ?? loginProvisioning))
  const without = domains.filter(
    ({ active, autojoin, template }) => active && (autojoin ?? loginProvisioning) && template === undefined,
  )
  if (makes && defaultTemplate === undefined && without.length > 0)
    return found.warning(
      mappings.size === 0
        ? `none is named for ${listed(without.map(({ name }) => name))}: no mailbox is made there (no_template)`
        : `none is named for users whom no mapping gives one, in ${listed(without.map(({ name }) => name))}: they get no mailbox (no_template)`,
      'set directory.default_template',
    )
  return found.ok(`${counted(usable.size, 'usable template')}; each one that is named exists`)
}

/** Mailboxes with more app passwords of others than are tried at a login (`most`). */
export function judgeAppPasswords(crowded: readonly CrowdedMailbox[], most: number): Finding {
  if (crowded.length === 0) return found.ok(`no mailbox has more than ${most} that mailpassd did not make`)
  const mailboxes = listed(crowded.map(({ mailbox, count }) => `${mailbox} (${count})`))
  return found.warning(
    `more than ${most} that mailpassd did not make: ${mailboxes}. Only ${most} are tried at a login, those used last first; a password that is none of them fails for now (too_many_app_passwords)`,
    'delete those that nobody uses; those by `mailpassd app-password create` do not count',
  )
}
