/** `mailpassd mailbox show|rebind`: what the database says of a mailbox, and which directory user it belongs to. */
import type { StoredAccount, StoredMailbox } from '../account/stored.ts'
import { EXIT, MailpassdError } from '../errors.ts'
import { lockTerms } from '../incident/answer.ts'
import type { LockState } from '../incident/incident.ts'
import { FLAGGED_SERVICES } from '../login/service.ts'
import type { Binding } from '../store/mailboxes.ts'
import { parseArguments } from './args.ts'
import type { Command } from './command.ts'
import { lockLine } from './mailbox-lock.ts'
import {
  addressArgument,
  printFields,
  printJson,
  STORE_OPTIONS_HELP,
  withConfiguredStore,
} from './with-store.ts'

/** mailpassd_mailbox.directory_id; Keycloak's are UUIDs. */
const MAX_ID_LENGTH = 255

interface Shown {
  readonly mailbox: StoredMailbox
  readonly appPasswords: number
  readonly binding: Binding | undefined
  readonly lock: Pick<LockState, 'lock' | 'isLocked'>
}

function missingRows(mailbox: StoredMailbox): readonly string[] {
  const { missing } = mailbox
  return [
    ...(missing.alias ? ['alias'] : []),
    ...(missing.quota2 ? ['quota2'] : []),
    ...(missing.quota2replica ? ['quota2replica'] : []),
    ...(missing.userAcl ? ['user_acl'] : []),
  ]
}

const ACTIVE_TEXT = ['no', 'yes', 'receives mail, no login'] as const

function asJson({ mailbox, appPasswords, binding, lock }: Shown): object {
  return {
    address: mailbox.username,
    active: mailbox.active,
    authsource: mailbox.authsource,
    kind: mailbox.kind,
    name: mailbox.name,
    quota_bytes: mailbox.quotaBytes,
    sql_hash: mailbox.hash !== '',
    second_factor: mailbox.tfaActive,
    services: Object.fromEntries(
      FLAGGED_SERVICES.map((service) => [service, mailbox.services[service] ?? true]),
    ),
    app_passwords: appPasswords,
    directory_id: mailbox.directoryId ?? null,
    template: binding === undefined || binding.template === '' ? null : binding.template,
    applied: binding?.applied ?? {},
    missing_rows: missingRows(mailbox),
    locked: lock.isLocked,
    lock: lockTerms(lock.lock),
  }
}

export const mailboxShow: Command = {
  name: 'mailbox show',
  summary: 'Show what the database says of a mailbox',
  help: `Usage: mailpassd mailbox show ADDRESS [OPTIONS]

Shows the mailbox as a login sees it: active, protocols, where its password comes from, and the directory user it
belongs to. Passwords and hashes are not shown.

${STORE_OPTIONS_HELP}`,

  async run(args, io) {
    const options = parseArguments('mailbox show', args, {
      text: ['config', 'data-dir'],
      flags: ['json'],
      positionals: ['ADDRESS'],
    })
    const address = addressArgument(options.positionals[0] ?? '')
    const shown = await withConfiguredStore(options, io, async (store): Promise<Shown> => {
      const { mailbox, appPasswords, othersLeftOut = 0 } = await store.accounts.loadAccount(address)
      if (mailbox === undefined) throw new MailpassdError('not_found', `there is no mailbox ${address.full}`)
      const binding = await store.mailboxes.lookupBinding(address)
      const lock = await store.locks.lookup(address)
      const active = appPasswords.filter((each) => each.active).length + othersLeftOut
      return { mailbox, appPasswords: active, binding, lock }
    })
    if (options.flag('json')) {
      printJson(io, asJson(shown))
      return EXIT.ok
    }
    const { mailbox, binding } = shown
    const missing = missingRows(mailbox)
    const locked = lockLine(shown.lock)
    printFields(io, {
      mailbox: mailbox.username,
      active: ACTIVE_TEXT[mailbox.active],
      ...(locked === undefined ? {} : { locked }),
      'password from': mailbox.authsource,
      protocols:
        FLAGGED_SERVICES.filter((service) => mailbox.services[service] ?? true).join(' ') || '(none)',
      quota: mailbox.quotaBytes === 0 ? 'unlimited' : `${mailbox.quotaBytes} bytes`,
      'app passwords': shown.appPasswords,
      'second factor': mailbox.tfaActive ? 'yes: only app passwords open it' : 'no',
      'directory id': mailbox.directoryId ?? '(none: the next good login binds its user)',
      template: binding === undefined || binding.template === '' ? '(not made by one)' : binding.template,
      ...(missing.length === 0 ? {} : { 'rows missing': `${missing.join(' ')} (the next login makes them)` }),
    })
    return EXIT.ok
  },
}

/** Ids of those that open the mailbox for whoever has it: made elsewhere, or before it was bound. */
function unboundAppPasswords({ appPasswords }: StoredAccount): readonly number[] {
  return appPasswords
    .filter(({ active, own }) => active && own?.directoryId === undefined)
    .map(({ id }) => id)
}

export const mailboxRebind: Command = {
  name: 'mailbox rebind',
  summary: 'Let another directory user have a mailbox',
  help: `Usage: mailpassd mailbox rebind ADDRESS [--id ID] [OPTIONS]

A mailbox belongs to the directory user who made it, by the user's id. Another user with the same address is refused
(why: identity_changed), or a newcomer would read a predecessor's mail. Run this when the new user is the right one.
App passwords of the user before open it no more; those that mailcow made are bound to nobody, and are named.

  --id ID          bind the mailbox to this directory id; without it to the user of the next good login
${STORE_OPTIONS_HELP}`,

  async run(args, io) {
    const options = parseArguments('mailbox rebind', args, {
      text: ['config', 'data-dir', 'id'],
      flags: ['json'],
      positionals: ['ADDRESS'],
    })
    const address = addressArgument(options.positionals[0] ?? '')
    const id = options.text('id')
    if (id !== undefined && (id.length > MAX_ID_LENGTH || /\s/.test(id))) {
      throw new MailpassdError('input_invalid', 'mailbox rebind: --id is not a directory id')
    }
    const { before, left } = await withConfiguredStore(options, io, async (store) => ({
      before: await store.mailboxes.rebind(address, id),
      left: unboundAppPasswords(await store.accounts.loadAccount(address)),
    }))
    if (options.flag('json')) {
      printJson(io, {
        address: address.full,
        directory_id_before: before ?? null,
        directory_id: id ?? null,
        unbound_app_passwords: left,
      })
      return EXIT.ok
    }
    const now = id === undefined ? 'the next good login binds its user' : `now bound to ${id}`
    io.out(`${address.full}: was ${before === undefined ? 'not bound' : `bound to ${before}`}; ${now}\n`)
    if (left.length > 0)
      io.out(
        `App passwords that are bound to nobody still open it, and a predecessor may have them: ${left.join(', ')}\n` +
          `  mailpassd app-password revoke ${address.full} ID\n`,
      )
    return EXIT.ok
  },
}
