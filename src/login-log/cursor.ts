/** Where a reading of the log goes on, as a text that callers hand back unread. */
import type { LoginLogEntry } from './event.ts'

const FIELDS = ['mailbox', 'network', 'service', 'credential', 'verdict', 'why'] as const
/** Seven texts of a row, each at most 255 bytes, in base64. */
const MAX_LENGTH = 4096

export function formatCursor(entry: LoginLogEntry): string {
  const values = [entry.lastMs, entry.hourMs, ...FIELDS.map((field) => entry[field])]
  return Buffer.from(JSON.stringify(values)).toString('base64url')
}

/** The row it was made of, as far as its place goes; undefined where it is no cursor of ours. */
export function parseCursor(text: string): LoginLogEntry | undefined {
  if (text.length > MAX_LENGTH) return undefined
  let values: unknown
  try {
    values = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
  if (!Array.isArray(values) || values.length !== 8) return undefined
  const [lastMs, hourMs, ...texts]: unknown[] = values
  if (!Number.isSafeInteger(lastMs) || !Number.isSafeInteger(hourMs)) return undefined
  const [mailbox, network, service, credential, verdict, why] = texts.map((value) =>
    typeof value === 'string' ? value : undefined,
  )
  if (mailbox === undefined || network === undefined || service === undefined) return undefined
  if (credential === undefined || verdict === undefined || why === undefined) return undefined
  return {
    mailbox,
    network,
    service,
    credential,
    verdict,
    why,
    hourMs: Number(hourMs),
    firstMs: Number(lastMs),
    lastMs: Number(lastMs),
    count: 0,
  }
}
