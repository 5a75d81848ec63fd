/**
 * The password that mailcow's SOGo opens every mailbox with: the content of a file that mailcow writes anew at each
 * start of its Dovecot. Looked at when SOGo comes, at most once a second, and read again where it has changed.
 */
import { stat } from 'node:fs/promises'
import type { Clock } from '../clock.ts'
import { readSecretFile } from '../config/secret-source.ts'
import type { SogoPassword } from '../credential/sogo-password.ts'
import { equalBytes } from '../password/equal.ts'
import { Secret } from '../secret.ts'
import type { Logger } from '../telemetry/logger.ts'

/** What mailcow writes is twice as long. Whoever knows it opens every mailbox, and may guess without end. */
const MIN_BYTES = 16
/** The file is looked at (stat) at most so often. */
const CHECK_MS = 1000

export type FoundPassword = { readonly password: Secret } | { readonly fault: string }

/** The password in the file, or why there is none to be had. Never throws. */
export async function readSogoPassword(path: string): Promise<FoundPassword> {
  const text = await readSecretFile(path, true)
  if (typeof text !== 'string') return text
  const password = Secret.fromText(text)
  return password.byteLength < MIN_BYTES
    ? {
        fault: `${path} holds ${password.byteLength} bytes; a password for all mailboxes has ${MIN_BYTES} or more`,
      }
    : { password }
}

export interface SogoPasswordFile extends SogoPassword {
  /** Looks at the file now, so that its fault is told before SOGo comes. Never throws. */
  look(): Promise<void>
}

/** Without a usable file nobody knows whether a password is SOGo's, and a warning says why, once for each fault. */
export function createSogoPassword(options: {
  readonly path: string
  readonly clock: Clock
  readonly logger: Logger
}): SogoPasswordFile {
  const { path, clock, logger } = options
  let password: Secret | undefined
  let stamp = 'not yet read'
  let fault: string | undefined
  let checkedAtMs = Number.NEGATIVE_INFINITY
  let looking: Promise<void> | undefined

  async function read(): Promise<void> {
    const before = await stampOf(path)
    // After a fault it is tried again each time: not every fault is of the file (too many open files).
    if (before === stamp && fault === undefined) return
    const found = await readSogoPassword(path)
    password?.wipe()
    // The stamp from before reading: a write during it makes the next look read again.
    stamp = before
    password = 'password' in found ? found.password : undefined
    if ('password' in found) {
      logger.info({ path }, "SOGo's password read")
    } else if (found.fault !== fault) {
      logger.warn({ path, why: found.fault }, "SOGo's own logins fail for now: its password cannot be had")
    }
    fault = 'fault' in found ? found.fault : undefined
  }

  /** One look at a time; those who come meanwhile wait for it. */
  function look(): Promise<void> {
    checkedAtMs = clock.monotonicMs()
    looking ??= read().finally(() => (looking = undefined))
    return looking
  }

  return {
    look,
    async matches(secret) {
      if (looking !== undefined || clock.monotonicMs() - checkedAtMs >= CHECK_MS) await look()
      return password === undefined ? 'unknown' : equalBytes(password.reveal(), secret.reveal())
    },
  }
}

/** What changes when the file is written, replaced, taken away, or opened to others. */
async function stampOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
  }
}
