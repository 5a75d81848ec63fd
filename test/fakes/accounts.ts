/** Values and ports for tests of the rooms: a store and a directory that say what a test puts into them. */
import type {
  AccountSource,
  MakingFacts,
  StoredAccount,
  StoredDomain,
  StoredMailbox,
} from '../../src/account/stored.ts'
import type { DirectorySource } from '../../src/account/directory-record.ts'
import type { DirectorySettings } from '../../src/config/settings.ts'
import type { Lookup } from '../../src/directory/directory.ts'
import type { ErrorCode } from '../../src/errors.ts'
import type { DirectoryProfile, DirectoryUser } from '../../src/directory/user.ts'
import { parseAddress, type Address } from '../../src/login/address.ts'
import { USER_ACL_DEFAULTS, type MailboxTemplate } from '../../src/mailbox/template.ts'

export const MIB = 1024 * 1024

export function address(text: string): Address {
  const parsed = parseAddress(text)
  if (parsed === undefined) throw new Error(`not an address: ${text}`)
  return parsed
}

export const domain: StoredDomain = {
  name: 'example.org',
  active: true,
  maxMailboxes: 10,
  maxMailboxQuotaBytes: 10_240 * MIB,
  quotaBytes: 102_400 * MIB,
  autojoin: true,
  template: undefined,
}

export const template: MailboxTemplate = {
  name: 'Default',
  raw: '{}',
  quotaBytes: 0,
  active: 1,
  rateLimit: undefined,
  tags: ['staff'],
  services: { imap: true, pop3: true, smtp: true, sieve: true, eas: true, dav: true },
  acl: USER_ACL_DEFAULTS,
  attributes: { mailbox_format: 'maildir:' },
}

export const making: MakingFacts = {
  mailboxCount: 0,
  quotaSumBytes: 0,
  isAlias: false,
  isSpamAlias: false,
  collides: false,
  templates: [template],
}

export const mailbox: StoredMailbox = {
  username: 'jane@example.org',
  hash: '',
  authsource: 'keycloak',
  active: 1,
  kind: '',
  services: { imap: true, pop3: true, smtp: true, sieve: true },
  tfaActive: false,
  directoryId: 'id-jane',
  missing: { alias: false, quota2: false, quota2replica: false, userAcl: false },
  name: '',
  quotaBytes: 0,
  mailboxFormat: 'maildir:',
  pathPrefix: '/var/vmail/',
}

export const newcomer: StoredAccount = {
  domain,
  aliasDomainOf: undefined,
  mailbox: undefined,
  lock: undefined,
  appPasswords: [],
  making,
}
export const resident: StoredAccount = {
  domain,
  aliasDomainOf: undefined,
  mailbox,
  lock: undefined,
  appPasswords: [],
  making: undefined,
}

export const profile: DirectoryProfile = {
  emailSelfChosen: false,
  hashVisible: true,
  hashSelfEdited: false,
  templateSelfEdited: false,
}

export const jane: DirectoryUser = {
  id: 'id-jane',
  username: 'jane',
  email: 'jane@example.org',
  emailVerified: true,
  enabled: true,
  lockedOut: false,
  requiredActions: [],
  firstName: 'Jane',
  lastName: 'Doe',
  hashes: ['{PLAIN}right'],
  template: undefined,
}

export const settings: DirectorySettings = {
  version: 1,
  mailpasswordFlow: true,
  loginProvisioning: false,
  defaultTemplate: 'Default',
  mappings: new Map(),
  requireEmailVerified: 'auto',
  refuseRequiredActions: false,
  lockout: 'block',
  trustUserAttributes: false,
  namesFromDirectory: true,
}

/** A directory that answers what it was told, or waits until a test lets it. */
export class FakeDirectory implements DirectorySource {
  calls = 0
  answer: () => Promise<Lookup> = () => Promise.resolve({ kind: 'found', user: jane })
  profileAnswer: DirectoryProfile = profile
  down: ErrorCode | undefined

  downBy(): ErrorCode | undefined {
    return this.down
  }

  findByEmail(): Promise<Lookup> {
    this.calls += 1
    return this.answer()
  }

  profile(): Promise<DirectoryProfile> {
    return Promise.resolve(this.profileAnswer)
  }
}

export class FakeSource implements AccountSource {
  calls = 0
  stored: StoredAccount = newcomer
  answer: () => Promise<StoredAccount> = () => Promise.resolve(this.stored)

  loadAccount(): Promise<StoredAccount> {
    this.calls += 1
    return this.answer()
  }
}

export function deferred<T>(): {
  promise: Promise<T>
  resolve: (value: T) => void
  reject: (error: Error) => void
} {
  return Promise.withResolvers<T>()
}
