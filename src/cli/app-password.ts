/** `mailpassd app-password create|list|revoke`: passwords for single devices and programs. */
import { systemClock } from '../clock.ts'
import {
  appPasswordJson,
  createAppPasswords,
  type AppPasswords,
  type AppPasswordView,
} from '../credential/app-passwords.ts'
import { MAX_NETWORKS, MAX_UNUSED_DAYS } from '../credential/app-password-wish.ts'
import { EXIT, MailpassdError } from '../errors.ts'
import { parseFuture } from '../incident/when.ts'
import { FLAGGED_SERVICES } from '../login/service.ts'
import { printable } from '../login-log/clean-name.ts'
import { makeHash } from '../password/make.ts'
import type { Store } from '../store/database.ts'
import { parseArguments } from './args.ts'
import type { Command, Io } from './command.ts'
import {
  addressArgument,
  printFields,
  printJson,
  STORE_OPTIONS_HELP,
  withConfiguredStore,
} from './with-store.ts'

function roomOf(store: Store): AppPasswords {
  const hash = (secret: Parameters<typeof makeHash>[1]) => makeHash('SSHA512', secret)
  return createAppPasswords({ rows: store.appPasswords, hash, clock: systemClock })
}

/** Throws MailpassdError input_invalid. */
function expiryOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  return parseFuture(text, systemClock.nowMs(), 'app-password create: --expires')
}

function daysOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,4}$/.test(text)) return Number(text)
  throw new MailpassdError(
    'usage',
    `app-password create: --unused-days takes a number from 1 to ${MAX_UNUSED_DAYS}`,
  )
}

function listOf(text: string | undefined): readonly string[] | undefined {
  return text?.split(',').map((word) => word.trim())
}

const timeText = (atMs: number) => new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z')

function fieldsOf(view: AppPasswordView): Readonly<Record<string, string | number>> {
  const { lastUse } = view
  return {
    id: view.id,
    name: view.name,
    state: view.state,
    'made by': view.madeBy,
    protocols: view.services.join(' ') || '(none)',
    networks: view.networks.join(' ') || 'all',
    ...(view.createdMs === undefined ? {} : { created: timeText(view.createdMs) }),
    ...(view.expiresMs === undefined ? {} : { expires: timeText(view.expiresMs) }),
    ...(view.unusedDays === undefined ? {} : { 'ends after': `${view.unusedDays} days without use` }),
    'last used':
      lastUse === undefined
        ? '(never)'
        : `${timeText(lastUse.atMs)} ${lastUse.service} from ${lastUse.network}`,
  }
}

/** The password alone on stdout, so that it can be piped; what there is to say of it on stderr. */
function tell(io: Io, mailbox: string, password: string, made: AppPasswordView): void {
  io.out(`${password}\n`)
  const ends = [
    ...(made.expiresMs === undefined ? [] : [`until ${timeText(made.expiresMs)}`]),
    ...(made.unusedDays === undefined ? [] : [`until ${made.unusedDays} days without use`]),
  ]
  const from = made.networks.length === 0 ? '' : `, from ${made.networks.join(' ')}`
  io.err(
    `app password ${made.id} of ${mailbox} for ${made.services.join(' ')}${from}${ends.map((end) => `, ${end}`).join('')}\n` +
      'It is shown this once; dashes may be left out when it is typed.\n',
  )
}

const OPTION_OF = new Map([
  ['name', '--name'],
  ['protocols', '--protocols'],
  ['expires_at', '--expires'],
  ['unused_days', '--unused-days'],
  ['allowed_networks', '--networks'],
])

/** The wish's fields have the HTTP interface's names; whoever typed options is told of those. */
function withOptionNames(error: unknown): unknown {
  if (!(error instanceof MailpassdError) || error.code !== 'input_invalid') return error
  const colon = error.message.indexOf(':')
  const option = OPTION_OF.get(error.message.slice(0, Math.max(0, colon)))
  if (option === undefined) return error
  return new MailpassdError('input_invalid', `app-password create: ${option}${error.message.slice(colon)}`, {
    cause: error,
  })
}

export const appPasswordCreate: Command = {
  name: 'app-password create',
  summary: 'Make a password for one device or program, and show it once',
  help: `Usage: mailpassd app-password create ADDRESS --name NAME [OPTIONS]

Makes an app password: it opens the mailbox beside the main password, for the protocols it was made for, and can be
revoked alone. It is made here, printed on stdout, and shown nowhere again. It belongs to the directory user whom the
mailbox belongs to now.

  --name NAME         what uses it, such as a device
  --protocols LIST    some of ${FLAGGED_SERVICES.join(',')}; default all
  --expires TIME      90d, 12h, a date (its beginning, UTC), or 2030-01-31T12:00:00Z
  --unused-days N     it ends when it was not used for so many days
  --networks LIST     networks or addresses the client may come from, such as 192.0.2.0/24,2001:db8::/32;
                      at most ${MAX_NETWORKS}; default everywhere
${STORE_OPTIONS_HELP}`,

  async run(args, io) {
    const options = parseArguments('app-password create', args, {
      text: ['config', 'data-dir', 'name', 'protocols', 'expires', 'unused-days', 'networks'],
      flags: ['json'],
      positionals: ['ADDRESS'],
    })
    const address = addressArgument(options.positionals[0] ?? '')
    const name = options.text('name')
    if (name === undefined)
      throw new MailpassdError('usage', 'app-password create: say with --name what uses the password')
    const wish = {
      name,
      protocols: listOf(options.text('protocols')),
      expiresMs: expiryOf(options.text('expires')),
      unusedDays: daysOf(options.text('unused-days')),
      networks: listOf(options.text('networks')),
    }
    const { made, secret } = await withConfiguredStore(options, io, (store) =>
      roomOf(store).create(address, wish),
    ).catch((error: unknown) => {
      throw withOptionNames(error)
    })
    const password = secret.reveal().toString('latin1')
    secret.wipe()
    if (options.flag('json')) printJson(io, { address: address.full, password, ...appPasswordJson(made) })
    else tell(io, address.full, password, made)
    return EXIT.ok
  },
}

export const appPasswordList: Command = {
  name: 'app-password list',
  summary: 'List the app passwords of a mailbox',
  help: `Usage: mailpassd app-password list ADDRESS [OPTIONS]

Lists all app passwords of a mailbox, also those that mailcow made: what for, whether they still open it, and when,
by which service and from which network each was used last. Passwords and hashes are not shown.

${STORE_OPTIONS_HELP}`,

  async run(args, io) {
    const options = parseArguments('app-password list', args, {
      text: ['config', 'data-dir'],
      flags: ['json'],
      positionals: ['ADDRESS'],
    })
    const address = addressArgument(options.positionals[0] ?? '')
    const found = await withConfiguredStore(options, io, (store) => roomOf(store).list(address))
    if (options.flag('json')) {
      printJson(io, { address: address.full, app_passwords: found.map(appPasswordJson) })
      return EXIT.ok
    }
    for (const [index, view] of found.entries()) {
      if (index > 0) io.out('\n')
      printFields(io, fieldsOf(view))
    }
    if (found.length === 0) io.err(`${address.full} has no app passwords\n`)
    return EXIT.ok
  },
}

export const appPasswordRevoke: Command = {
  name: 'app-password revoke',
  summary: 'Revoke an app password',
  help: `Usage: mailpassd app-password revoke ADDRESS ID [OPTIONS]

Revokes an app password for good, also one that mailcow made. No daemon accepts it from two seconds later on, nor does
mailcow. Open sessions of the mailbox are ended at every Dovecot of [dovecot] endpoints: all of them, since Dovecot does
not know which password began a session; programs with another password log in again.

${STORE_OPTIONS_HELP}`,

  async run(args, io) {
    const options = parseArguments('app-password revoke', args, {
      text: ['config', 'data-dir'],
      flags: ['json'],
      positionals: ['ADDRESS', 'ID'],
    })
    const [name = '', id = ''] = options.positionals
    const address = addressArgument(name)
    if (!/^[1-9]\d{0,9}$/.test(id))
      throw new MailpassdError('usage', 'app-password revoke: ID is a number; app-password list shows it')
    const revoked = await withConfiguredStore(options, io, (store) =>
      roomOf(store).revoke(address, Number(id)),
    )
    if (options.flag('json')) printJson(io, { address: address.full, ...appPasswordJson(revoked) })
    else
      io.out(`${address.full}: app password ${revoked.id} (${printable(revoked.name)}) is ${revoked.state}\n`)
    return EXIT.ok
  },
}
