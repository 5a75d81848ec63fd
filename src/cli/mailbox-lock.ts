/** `mailpassd mailbox lock|unlock`: an account may be stolen. Nobody logs in with it any more, and the operator sees who did. */
import { systemClock } from '../clock.ts'
import type { LoadedConfig } from '../config/load.ts'
import { openDovecots } from '../dovecot/open.ts'
import { EXIT } from '../errors.ts'
import { lockAnswer } from '../incident/answer.ts'
import type { Lock, LockState } from '../incident/incident.ts'
import { createIncidents, type SessionsEnded } from '../incident/lock-account.ts'
import { checkReason } from '../incident/reason.ts'
import { parseFuture } from '../incident/when.ts'
import { printable } from '../login-log/clean-name.ts'
import { drainOnce } from '../outbox/drain.ts'
import type { Store } from '../store/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import { adminSocketOf, daemonAnswers } from './admin-socket.ts'
import { parseArguments } from './args.ts'
import type { Command, Io } from './command.ts'
import { printRecentUse, shortTime } from './recent-use.ts'
import { addressArgument, printJson, STORE_OPTIONS_HELP, withConfiguredStore } from './with-store.ts'

/** Rows of others may wait before ours. */
const DRAINED_AT_ONCE = 100

export const mailboxLock: Command = {
  name: 'mailbox lock',
  summary: 'Let nobody log in to a mailbox, and end its sessions',
  help: `Usage: mailpassd mailbox lock ADDRESS [--until TIME] [--reason TEXT] [OPTIONS]

For an account that may be stolen. From now on nobody logs in with it, neither with the main password nor with an app
password, whatever the directory, templates or mailcow say; on every node within 2 s. Only the database is needed.
Sessions that are open are ended at every Dovecot of [dovecot] endpoints. Mail is delivered as before.

Then it prints from where and with which passwords the mailbox was used. docs/incident.md says what to do next.

A lock may be set before the mailbox exists. Locking again changes its end and its reason.

  --until TIME     end of the lock: 30m, 8h, 7d, a date (its beginning, UTC), or 2027-01-31T18:00:00Z; without it
                   until \`mailpassd mailbox unlock ADDRESS\`
  --reason TEXT    for other operators, shown with the lock
${STORE_OPTIONS_HELP}`,

  async run(args, io) {
    const options = parseArguments('mailbox lock', args, {
      text: ['config', 'data-dir', 'until', 'reason'],
      flags: ['json'],
      positionals: ['ADDRESS'],
    })
    const address = addressArgument(options.positionals[0] ?? '')
    const until = options.text('until')
    const untilMs =
      until === undefined ? undefined : parseFuture(until, systemClock.nowMs(), 'mailbox lock: --until')
    const reason = options.text('reason')
    checkReason(reason, 'mailbox lock: --reason')
    const { sessions, ...state } = await withConfiguredStore(options, io, (store, { loaded, logger }) => {
      const incidents = createIncidents({
        locks: store.locks,
        outbox: store.outbox,
        drain: () => drainWithoutDaemon(store, loaded, logger),
        clock: systemClock,
      })
      return incidents.lock(address, { untilMs, reason })
    })
    if (options.flag('json')) {
      printJson(io, lockAnswer(state, sessions))
      return EXIT.ok
    }
    printLocked(io, state, sessions)
    return EXIT.ok
  },
}

export const mailboxUnlock: Command = {
  name: 'mailbox unlock',
  summary: 'Take the lock of a mailbox away',
  help: `Usage: mailpassd mailbox unlock ADDRESS [OPTIONS]

Logins count again what the directory, the mailbox and its passwords say. Revoke stolen app passwords and have the main
password changed before: docs/incident.md.

${STORE_OPTIONS_HELP}`,

  async run(args, io) {
    const options = parseArguments('mailbox unlock', args, {
      text: ['config', 'data-dir'],
      flags: ['json'],
      positionals: ['ADDRESS'],
    })
    const address = addressArgument(options.positionals[0] ?? '')
    const { before, ...state } = await withConfiguredStore(options, io, (store) =>
      store.locks.unlock(address),
    )
    if (options.flag('json')) printJson(io, lockAnswer(state))
    else {
      io.out(`${address.full}: ${before === undefined ? 'was not locked' : 'unlocked'}\n`)
      if (before === undefined && state.mailbox === 'absent')
        io.out(`There is no mailbox ${address.full}. Is the address right?\n`)
    }
    return EXIT.ok
  },
}

/** A daemon does it by itself within a second. Without one it is done here, once. */
async function drainWithoutDaemon(store: Store, loaded: LoadedConfig, logger: Logger): Promise<void> {
  const socket = adminSocketOf(loaded)
  if (socket !== undefined && (await daemonAnswers(socket))) return
  // What fails is told with the lock.
  const quiet = { ...logger, warn: () => {} }
  const consumers = openDovecots(loaded.config, {
    isWanted: (address, cause) => store.locks.isWanted(address, cause),
    logger: quiet,
  })
  const parts = {
    source: store.outbox,
    clock: systemClock,
    logger: quiet,
    limits: { atOnce: DRAINED_AT_ONCE },
  }
  await Promise.all(consumers.map((consumer) => drainOnce({ ...consumer, ...parts })))
}

/** One line on a lock, for whoever shows a mailbox; undefined where none is in force. */
export function lockLine({ lock, isLocked }: Pick<LockState, 'lock' | 'isLocked'>): string | undefined {
  return lock === undefined || !isLocked ? undefined : describeLock(lock)
}

function describeLock({ sinceMs, untilMs, reason }: Lock): string {
  const end = untilMs === undefined ? 'until it is unlocked' : `until ${shortTime(untilMs)}`
  return `since ${shortTime(sinceMs)}, ${end}${reason === '' ? '' : `: ${printable(reason)}`}`
}

function printLocked(io: Io, state: LockState, sessions: readonly SessionsEnded[]): void {
  const { address, lock, use } = state
  io.out(`${address}: locked ${lock === undefined ? '' : describeLock(lock)}\n`)
  const warning = mailboxWarning(state)
  if (warning !== undefined) io.out(`${warning}\n`)
  for (const { dovecot, ended, error } of sessions) {
    const waits =
      error === undefined ? 'not done yet; it is tried for an hour' : `${error}; tried again for an hour`
    io.out(`sessions at Dovecot ${dovecot}: ${ended ? 'ended' : waits}\n`)
  }
  if (sessions.length === 0)
    io.out(
      'Open sessions go on: no [[dovecot.endpoints]] is configured. End them with: doveadm kick ' +
        `${address}\n`,
    )
  if (use === undefined) io.out('Who used the mailbox lately could not be read.\n')
  else printRecentUse(io, use)
  io.out(`
What to do now (docs/incident.md):
  1. app passwords that may be stolen: mailpassd app-password revoke ${address} ID
  2. the main password: a new one in the directory
  3. forwarding rules, Sieve scripts, sent mail: look for what the thief left
  4. then: mailpassd mailbox unlock ${address}
`)
}

function mailboxWarning({ mailbox, address }: LockState): string | undefined {
  switch (mailbox) {
    case 'present':
      return undefined
    case 'absent':
      return `There is no mailbox ${address} (yet); the lock waits for it. Is the address right?`
    case 'alias':
      return `${address} is an alias, nobody logs in with it: lock the mailboxes that it leads to.`
    case 'alias_domain':
      return `The domain of ${address} is an alias of another one: lock the mailbox there.`
  }
}
