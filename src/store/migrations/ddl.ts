/** Where the two databases spell a table differently. Statements are text, so that a dry run shows what runs. */
import type { Dialect } from '../dialect/dialect.ts'

export interface Migration {
  /** Never changed once released: the database remembers it by this. */
  readonly name: string
  /** True for mailcow's own tables: in mailcow's schema they are mailcow's to make. */
  readonly standaloneOnly: boolean
  /** Harmless when run again: MariaDB commits each by itself, and a crash may come between two. */
  readonly statements: (ddl: Ddl) => readonly string[]
}

export interface Ddl {
  /** An integer key that the database counts up and never gives out twice. */
  readonly autoId: string
  readonly bigAutoId: string
  /** JSON, kept as it was written and checked to be JSON. */
  readonly json: (column: string) => string
  /** JSON that is never NULL and starts as an empty object. */
  readonly jsonObject: (column: string) => string
  readonly oneOf: (column: string, values: readonly string[]) => string
  readonly created: string
  readonly modified: string
  readonly now: string
  /** What follows the columns of a mail table: mailcow's collation, which folds case and accents. */
  readonly mailTable: string
  /** The same for our own tables: text keys are compared by bytes. */
  readonly ownTable: string
}

function quoted(values: readonly string[]): string {
  return values.map((value) => `'${value}'`).join(', ')
}

const MYSQL: Ddl = {
  autoId: 'int not null auto_increment primary key',
  bigAutoId: 'bigint not null auto_increment primary key',
  json: () => 'json',
  jsonObject: () => "json not null default '{}'",
  oneOf: (_column, values) => `enum(${quoted(values)})`,
  created: '`created` datetime(0) not null default now(0)',
  modified: '`modified` datetime on update current_timestamp',
  now: 'now(0)',
  mailTable: 'engine=InnoDB default charset=utf8mb4 collate=utf8mb4_general_ci row_format=dynamic',
  ownTable: 'engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin row_format=dynamic',
}

/** SQLite takes MariaDB's type names by affinity and its backticks as they are. Dates are UTC. */
const SQLITE: Ddl = {
  autoId: 'integer primary key autoincrement',
  bigAutoId: 'integer primary key autoincrement',
  json: (column) => `text check (json_valid(\`${column}\`))`,
  jsonObject: (column) => `text not null default '{}' check (json_valid(\`${column}\`))`,
  oneOf: (column, values) => `text check (\`${column}\` in (${quoted(values)}))`,
  created: '`created` datetime not null default current_timestamp',
  modified: '`modified` datetime',
  now: 'current_timestamp',
  mailTable: '',
  ownTable: '',
}

export function ddlOf(kind: Dialect['kind']): Ddl {
  return kind === 'mysql' ? MYSQL : SQLITE
}
