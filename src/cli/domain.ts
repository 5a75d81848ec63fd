/** `mailpassd domain add|show|set`: which domains are served, and whether their users get mailboxes on login. */
import { EXIT, MailpassdError } from '../errors.ts'
import { DEFAULT_LIMITS, type DomainSettings, type HostedDomain } from '../store/domains.ts'
import { parseArguments, type Arguments } from './args.ts'
import type { Command, Io } from './command.ts'
import {
  domainArgument,
  printFields,
  printJson,
  STORE_OPTIONS_HELP,
  withConfiguredStore,
} from './with-store.ts'

const LIMIT_OPTIONS = ['max-mailboxes', 'max-quota-mib', 'quota-mib'] as const
type LimitOption = (typeof LIMIT_OPTIONS)[number]
/** domain.mailboxes is an INT; of quotas in MiB this many are a pebibyte. */
const MAX_NUMBER = 1_073_741_824

const LIMITS_HELP = `  --max-mailboxes N    mailboxes that the domain may have
  --max-quota-mib N    the most that one mailbox may have
  --quota-mib N        what all its mailboxes may have together
                       (in mailcow's schema these are set in mailcow's web interface)
`

function limit(command: string, args: Arguments<LimitOption, never>, name: LimitOption): number | undefined {
  const text = args.text(name)
  if (text === undefined) return undefined
  const number = /^\d{1,10}$/.test(text) ? Number(text) : MAX_NUMBER + 1
  if (number <= MAX_NUMBER) return number
  throw new MailpassdError('usage', `${command}: --${name} takes a whole number up to ${MAX_NUMBER}`)
}

function limits(command: string, args: Arguments<LimitOption, never>): DomainSettings {
  return {
    maxMailboxes: limit(command, args, 'max-mailboxes'),
    maxMailboxQuotaMib: limit(command, args, 'max-quota-mib'),
    quotaMib: limit(command, args, 'quota-mib'),
  }
}

function asJson(domain: HostedDomain): object {
  return {
    name: domain.name,
    active: domain.active,
    autojoin: domain.autojoin ?? null,
    template: domain.template ?? null,
    mailboxes: domain.mailboxes,
    max_mailboxes: domain.maxMailboxes,
    max_quota_mib: domain.maxMailboxQuotaMib,
    quota_mib: domain.quotaMib,
  }
}

function autojoinText(autojoin: boolean | undefined): string {
  if (autojoin === undefined) return 'as directory.login_provisioning says'
  return autojoin ? 'on' : 'off'
}

function print(io: Io, domain: HostedDomain): void {
  printFields(io, {
    domain: domain.name,
    active: domain.active ? 'yes' : 'no',
    autojoin: autojoinText(domain.autojoin),
    template: domain.template ?? '(default_template)',
    mailboxes: `${domain.mailboxes} of ${domain.maxMailboxes}`,
    'quota of one': `${domain.maxMailboxQuotaMib} MiB`,
    'quota of all': `${domain.quotaMib} MiB`,
  })
}

export const domainAdd: Command = {
  name: 'domain add',
  summary: 'Serve a domain; its users get mailboxes on their first login',
  help: `Usage: mailpassd domain add NAME [OPTIONS]

Adds a domain. Its directory users get a mailbox on their first good login (autojoin). In mailcow's schema the
domain must be in mailcow already; only our own settings for it are added.

  --no-autojoin        make no mailboxes on login
  --template T         template of its new mailboxes, where no mapping names one
${LIMITS_HELP}${STORE_OPTIONS_HELP}
Without limits: ${DEFAULT_LIMITS.maxMailboxes} mailboxes, ${DEFAULT_LIMITS.maxMailboxQuotaMib} MiB for one, ${DEFAULT_LIMITS.quotaMib} MiB for all.
`,

  async run(args, io) {
    const options = parseArguments('domain add', args, {
      text: ['config', 'data-dir', 'template', ...LIMIT_OPTIONS],
      flags: ['no-autojoin', 'json'],
      positionals: ['NAME'],
    })
    const name = domainArgument(options.positionals[0] ?? '')
    const settings: DomainSettings = {
      ...limits('domain add', options),
      autojoin: !options.flag('no-autojoin'),
      template: options.text('template'),
    }
    const added = await withConfiguredStore(options, io, (store) => store.domains.add(name, settings), 'make')
    if (options.flag('json')) printJson(io, asJson(added))
    else print(io, added)
    return EXIT.ok
  },
}

export const domainShow: Command = {
  name: 'domain show',
  summary: 'Show a domain, or all',
  help: `Usage: mailpassd domain show NAME [OPTIONS]
       mailpassd domain show --all [OPTIONS]

Shows whether the domain is active, makes mailboxes on login, and what is left of its limits.

  --all            all domains
${STORE_OPTIONS_HELP}`,

  async run(args, io) {
    const options = parseArguments('domain show', args, {
      text: ['config', 'data-dir'],
      flags: ['all', 'json'],
      positionals: ['NAME?'],
    })
    const [given] = options.positionals
    if ((given === undefined) !== options.flag('all')) {
      throw new MailpassdError('usage', 'domain show: name a domain, or give --all, and not both')
    }
    const name = given === undefined ? undefined : domainArgument(given)
    const found = await withConfiguredStore(options, io, async (store) => {
      if (name === undefined) return store.domains.list()
      const domain = await store.domains.lookup(name)
      return domain === undefined ? [] : [domain]
    })
    if (name !== undefined && found.length === 0) {
      throw new MailpassdError(
        'not_found',
        `there is no domain ${name}; add it with: mailpassd domain add ${name}`,
      )
    }
    if (options.flag('json')) {
      printJson(io, name === undefined ? found.map(asJson) : found.map(asJson)[0])
    } else {
      for (const [index, domain] of found.entries()) {
        if (index > 0) io.out('\n')
        print(io, domain)
      }
      if (found.length === 0) io.err('there is no domain yet; add one with: mailpassd domain add NAME\n')
    }
    return EXIT.ok
  },
}

export const domainSet: Command = {
  name: 'domain set',
  summary: 'Change the settings of a domain',
  help: `Usage: mailpassd domain set NAME [OPTIONS]

Changes what is given and leaves the rest. Running daemons take it up within two seconds.

  --autojoin           make a mailbox on a user's first good login
  --no-autojoin        make no mailboxes on login
  --template T         template of its new mailboxes, where no mapping names one
  --no-template        the configuration's default_template again
${LIMITS_HELP}${STORE_OPTIONS_HELP}`,

  async run(args, io) {
    const options = parseArguments('domain set', args, {
      text: ['config', 'data-dir', 'template', ...LIMIT_OPTIONS],
      flags: ['autojoin', 'no-autojoin', 'no-template', 'json'],
      positionals: ['NAME'],
    })
    const name = domainArgument(options.positionals[0] ?? '')
    const [on, off] = [options.flag('autojoin'), options.flag('no-autojoin')]
    const template = options.text('template')
    const noTemplate = options.flag('no-template')
    if ((on && off) || (template !== undefined && noTemplate)) {
      throw new MailpassdError('usage', 'domain set: two options contradict each other')
    }
    const settings: DomainSettings = {
      ...limits('domain set', options),
      autojoin: on || off ? on : undefined,
      template: noTemplate ? '' : template,
    }
    if (Object.values(settings).every((value) => value === undefined)) {
      throw new MailpassdError('usage', 'domain set: nothing to change; see: mailpassd domain set --help')
    }
    const changed = await withConfiguredStore(options, io, (store) => store.domains.set(name, settings))
    if (options.flag('json')) printJson(io, asJson(changed))
    else print(io, changed)
    return EXIT.ok
  },
}
