/** What MariaDB's and the network's errors mean to us. Texts of the server are kept, values are not. */
import type { Fault, FaultKind } from './dialect.ts'
import { TimeLimitError } from './mysql-driver.ts'

/** MariaDB error numbers (https://mariadb.com/kb/en/mariadb-error-code-reference/). */
const BY_NUMBER = new Map<number, FaultKind>([
  [1062, 'duplicate'], // ER_DUP_ENTRY
  [1586, 'duplicate'], // ER_DUP_ENTRY_WITH_KEY_NAME
  [1213, 'conflict'], // ER_LOCK_DEADLOCK; Galera's certification failure as well
  [1205, 'conflict'], // ER_LOCK_WAIT_TIMEOUT
  [1020, 'conflict'], // ER_CHECKREAD: the row changed since the snapshot (innodb_snapshot_isolation)
  [1040, 'unavailable'], // ER_CON_COUNT_ERROR
  [1045, 'unavailable'], // ER_ACCESS_DENIED_ERROR
  [1044, 'unavailable'], // ER_DBACCESS_DENIED_ERROR
  [1047, 'unavailable'], // ER_UNKNOWN_COM_ERROR: Galera, node not ready
  [1049, 'unavailable'], // ER_BAD_DB_ERROR
  [1053, 'unavailable'], // ER_SERVER_SHUTDOWN
  [1129, 'unavailable'], // ER_HOST_IS_BLOCKED
  [1130, 'unavailable'], // ER_HOST_NOT_PRIVILEGED
  [1203, 'unavailable'], // ER_TOO_MANY_USER_CONNECTIONS
  [1226, 'unavailable'], // ER_USER_LIMIT_REACHED
  [1290, 'unavailable'], // ER_OPTION_PREVENTS_STATEMENT: read-only, as in a failover
  [1317, 'unavailable'], // ER_QUERY_INTERRUPTED
  [1836, 'unavailable'], // ER_READ_ONLY_MODE
  [1927, 'unavailable'], // ER_CONNECTION_KILLED
  [1969, 'unavailable'], // ER_STATEMENT_TIMEOUT
  [1142, 'denied'], // ER_TABLEACCESS_DENIED_ERROR
  [1143, 'denied'], // ER_COLUMNACCESS_DENIED_ERROR
  [1227, 'denied'], // ER_SPECIFIC_ACCESS_DENIED_ERROR
  [1054, 'schema'], // ER_BAD_FIELD_ERROR
  [1146, 'schema'], // ER_NO_SUCH_TABLE
])

/** What an operator can do about it, added to the server's own words. */
const WAY_OUT = new Map<number, string>([
  [1044, 'grant the user rights on the database, or correct store.database and store.user'],
  [1045, 'check store.user and store.password'],
  [1049, 'create the database, or correct store.database'],
  [1040, 'raise max_connections or lower store.connections'],
])

const BY_CODE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  'ENOENT',
  'EACCES',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_PACKETS_OUT_OF_ORDER',
])

function numberOf(error: Error): number | undefined {
  return 'errno' in error && typeof error.errno === 'number' ? error.errno : undefined
}

/** Duplicate-key messages quote the value; only the key's name is told. */
function textOf(error: Error, kind: FaultKind): string {
  if (kind !== 'duplicate') return error.message
  const key = /for key '([^']*)'/.exec(error.message)?.[1]
  return key === undefined ? 'a duplicate key' : `a duplicate of key ${key}`
}

/** Classifies anything that mysql2 may throw. */
export function mysqlFault(thrown: unknown): Fault {
  if (!(thrown instanceof Error)) return { kind: 'foreign', text: 'a value that is not an Error was thrown' }
  if (thrown instanceof TimeLimitError) return { kind: 'unavailable', text: thrown.message }
  const number = numberOf(thrown)
  const byNumber = number === undefined ? undefined : BY_NUMBER.get(number)
  if (number !== undefined && byNumber !== undefined) {
    const wayOut = WAY_OUT.get(number)
    const text = textOf(thrown, byNumber)
    return { kind: byNumber, text: wayOut === undefined ? text : `${text}; ${wayOut}` }
  }
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : ''
  // mysql2 marks whatever ended the connection as fatal; AggregateError is Node's for several addresses refused.
  const lost = BY_CODE.has(code) || ('fatal' in thrown && thrown.fatal === true)
  if (lost || thrown.message === 'Queue limit reached.' || thrown.message === 'Pool is closed.') {
    return { kind: 'unavailable', text: thrown.message === '' ? code : thrown.message }
  }
  return { kind: number === undefined && code === '' ? 'foreign' : 'failed', text: thrown.message }
}
