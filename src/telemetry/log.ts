/**
 * The log: pino behind our Logger. JSON lines on stdout, readable ones on a terminal. The daemon writes without
 * waiting and with a bound: a stalled reader loses lines, it does not stop logins or fill the memory.
 */
import pino from 'pino'
import { consoleLine } from './console-lines.ts'
import type { Logger } from './logger.ts'
import { withoutSecrets } from './redact.ts'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error'

/** Where lines go: one call per line, which ends in a newline. */
export interface LogDestination {
  write(line: string): void
}

export interface ClosableLogger extends Logger {
  /** Writes what is still buffered, before the process ends. Never throws. */
  close(): void
}

/** Lines waiting for a slow reader; about 20,000 of them. */
const MAX_BUFFERED_BYTES = 4 * 1024 * 1024

/**
 * A logger of this level. Without a destination it writes to stdout: for the daemon (the default) without waiting, for
 * a command (`sync`) before it returns. `onDrop` is called for each line that a stalled reader cost.
 */
export function createLogger(
  level: LogLevel,
  options: {
    readonly destination?: LogDestination
    readonly sync?: boolean
    readonly onDrop?: () => void
  } = {},
): ClosableLogger {
  const { destination, close } =
    options.destination === undefined
      ? stdout(options.sync === true, options.onDrop)
      : { destination: options.destination, close: () => {} }
  const logger = pino(
    {
      level,
      base: null,
      messageKey: 'msg',
      formatters: { log: (fields) => withoutSecrets(fields) },
      // withoutSecrets has been there: pino's own serializer would print stacks and every property.
      serializers: { err: (fields: unknown) => fields },
    },
    destination,
  )
  return {
    trace: (fields, text) => logger.trace(fields, text),
    debug: (fields, text) => logger.debug(fields, text),
    info: (fields, text) => logger.info(fields, text),
    warn: (fields, text) => logger.warn(fields, text),
    error: (fields, text) => logger.error(fields, text),
    close,
  }
}

function stdout(sync: boolean, onDrop: (() => void) | undefined) {
  const file = pino.destination({ dest: 1, sync, minLength: 0, maxLength: MAX_BUFFERED_BYTES })
  if (onDrop !== undefined) file.on('drop', onDrop)
  // EPIPE and alike: the reader is gone. There is nowhere to say so, and logins go on.
  file.on('error', () => {})
  const destination: LogDestination = process.stdout.isTTY
    ? { write: (line) => void file.write(consoleLine(line)) }
    : file
  return {
    destination,
    close() {
      try {
        file.flushSync()
      } catch {
        // Not open yet, or gone.
      }
    },
  }
}
