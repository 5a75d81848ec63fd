/**
 * Whether this process may open as many files as its configuration promises connections. Past the limit the kernel
 * refuses: new connections are dropped, and the database's file cannot be opened either.
 */
import { readFileSync } from 'node:fs'
import type { Config } from '../config/schema.ts'
import { MAX_CONNECTIONS as MAX_HTTP_CONNECTIONS } from './http/listen.ts'

/** Databases, Keycloak, Redis, files and what Node itself has open. */
const OWN_DESCRIPTORS = 256

type Doors = Pick<Config, 'http' | 'sasl' | 'socketmap' | 'admin'>

/** Descriptors when every listener is full. */
export function descriptorsWanted({ http, sasl, socketmap, admin }: Doors): number {
  return (
    OWN_DESCRIPTORS +
    sasl.listeners.length * sasl.max_connections +
    socketmap.listeners.length * socketmap.max_connections +
    (http.listen.length + admin.listen.length) * MAX_HTTP_CONNECTIONS
  )
}

/**
 * RLIMIT_NOFILE as it holds for this process, from the text of proc_pid_limits(5); Node has raised it to the hard one.
 * Undefined where it is unlimited, or not known.
 */
export function parseDescriptorLimit(limits: string): number | undefined {
  const digits = /^Max open files +(\d+)/m.exec(limits)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

function readDescriptorLimit(): number | undefined {
  try {
    return parseDescriptorLimit(readFileSync('/proc/self/limits', 'utf8'))
  } catch {
    return undefined
  }
}

/** What to tell the operator, or undefined where the limit is high enough. */
export function descriptorWarning(config: Doors, limit = readDescriptorLimit()): string | undefined {
  const wanted = descriptorsWanted(config)
  if (limit === undefined || limit >= wanted) return undefined
  return (
    `this process may have ${limit} open files, its listeners up to ${wanted}: raise LimitNOFILE= (systemd), ` +
    '--ulimit nofile= (containers) or ulimit -n, or lower sasl.max_connections and socketmap.max_connections'
  )
}
