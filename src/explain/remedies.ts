/**
 * What to do about each reason, in the order of mailcow's own list for users who cannot log in: the connection, the
 * domain and its limits, the mapping; then what lies behind: the user, the hash, the mailbox, the protocol. One table,
 * hence perhaps over 300 lines.
 */
import type { Why } from '../login/why.ts'
import type { Room } from './explanation.ts'
import { shell } from './shell.ts'

/** Of whom a remedy speaks; texts are clean already. */
export interface About {
  readonly address: string
  readonly domain: string
  /** The directory user's name there, or the address where none is known. */
  readonly user: string
  readonly service: string
}

interface Remedy {
  /** The room that says so. */
  readonly room: Room
  /** Where it stands in the list: see Todo.step. */
  readonly step: number
  readonly todo: (about: About) => { readonly text: string; readonly command?: string }
}

function remedy(room: Room, step: number, text: string, command?: (about: About) => string): Remedy {
  return {
    room,
    step,
    todo: (about) => ({
      text: fill(text, about),
      ...(command === undefined ? {} : { command: command(about) }),
    }),
  }
}

const fill = (text: string, about: About) =>
  text.replace(/%(address|domain|user|service)/g, (_all, key: keyof About) => about[key])

const CHECK = () => 'mailpassd check --live'
const DOMAIN_SHOW = ({ domain }: About) => `mailpassd domain show ${shell(domain)}`
const NEW_APP_PASSWORD = ({ address }: About) => `mailpassd app-password create --name NAME ${shell(address)}`
const LOG = ({ address }: About) => `mailpassd log --address=${shell(address).replace(/^-- /, '')}`

const WITH_KEYCLOAK = 'Keycloak, Users, %user'

/** Every reason has one: what is added to login/why.ts is explained here. */
export const REMEDIES = {
  verified: remedy('app_passwords', 9, 'Nothing stands in the way.'),
  sogo_password: remedy('app_passwords', 9, 'Nothing stands in the way.'),

  directory_down: remedy('directory', 1, 'The directory does not answer: test the connection.', CHECK),
  directory_refuses_us: remedy(
    'directory',
    1,
    'The directory refuses our client: test the connection; compare client id, secret and the role view-users.',
    CHECK,
  ),
  directory_garbage: remedy(
    'directory',
    1,
    'The directory answers with something else than its API: test the connection.',
    CHECK,
  ),
  reread_failed: remedy(
    'directory',
    1,
    'The directory does not answer whether the password is a new one: test the connection.',
    CHECK,
  ),
  reread_refused: remedy(
    'directory',
    1,
    'Too many wrong passwords come in at once: see who asks; right ones are let in meanwhile.',
    () => 'mailpassd log --verdict temp_fail',
  ),
  lookups_spent: remedy(
    'directory',
    1,
    'Too many names that nobody has, or wrong passwords, come from there: see who asks. directory.unknown_per_second is how many are looked up.',
    () => 'mailpassd log --verdict temp_fail',
  ),
  sogo_password_unknown: remedy(
    'store',
    1,
    "The file with SOGo's password cannot be read: mailpassd check names the fault.",
    () => 'mailpassd check',
  ),
  store_down: remedy('store', 1, 'The database does not answer: test the connection.', CHECK),
  deadline: remedy('store', 1, 'Directory or database are too slow: test the connections.', CHECK),
  internal: remedy('store', 1, 'A fault of mailpassd itself: its log has it.'),

  address_invalid: remedy(
    'address',
    2,
    'This is no mailbox address; the login name must be one: jane@example.org.',
  ),
  domain_not_hosted: remedy(
    'domain',
    2,
    'The domain %domain has no row: add it, or in mailcow under E-Mail, Configuration, Domains.',
    ({ domain }) => `mailpassd domain add ${shell(domain)}`,
  ),
  domain_inactive: remedy(
    'domain',
    2,
    'The domain %domain is off: set domain.active = 1 (mailcow: E-Mail, Configuration, Domains).',
    DOMAIN_SHOW,
  ),
  domain_is_alias: remedy(
    'domain',
    2,
    'The domain is an alias of another one: log in with the address in that domain.',
  ),
  no_autojoin: remedy(
    'domain',
    2,
    'The domain %domain makes no mailboxes on login: switch that on, or make the mailbox by hand.',
    ({ domain }) => `mailpassd domain set ${shell(domain)} --autojoin`,
  ),
  provisioning_off: remedy(
    'domain',
    2,
    'No mailboxes are made on login: set directory.login_provisioning = true, or switch it on for this domain.',
    ({ domain }) => `mailpassd domain set ${shell(domain)} --autojoin`,
  ),
  max_mailboxes: remedy(
    'domain',
    2,
    'The domain %domain has as many mailboxes as it may: raise the number ("Max. possible mailboxes").',
    ({ domain }) => `mailpassd domain set ${shell(domain)} --max-mailboxes NUMBER`,
  ),
  mailbox_quota_exceeded: remedy(
    'domain',
    2,
    'The template wants more quota than a mailbox of %domain may have: raise that, or use another template.',
    ({ domain }) => `mailpassd domain set ${shell(domain)} --max-quota-mib NUMBER`,
  ),
  domain_quota_exceeded: remedy(
    'domain',
    2,
    'The quota of %domain is used up ("Domain quota"): raise it.',
    ({ domain }) => `mailpassd domain set ${shell(domain)} --quota-mib NUMBER`,
  ),

  no_template: remedy(
    'template',
    3,
    'Nothing names a template: add a mapping ([[directory.mappings]]) for the attribute, or directory.default_template.',
    ({ domain }) => `mailpassd domain set ${shell(domain)} --template NAME`,
  ),
  template_missing: remedy(
    'template',
    3,
    'The template that is named does not exist, or cannot be read: correct the mapping, or make the template.',
    CHECK,
  ),
  template_attribute_untrusted: remedy(
    'template',
    3,
    "Users may edit the template attribute: let the realm's user profile (Realm settings, User profile) allow only administrators to edit it.",
  ),

  no_such_user: remedy(
    'user',
    4,
    'Nobody in the directory has this e-mail address: Keycloak, Users, Email must be exactly %address.',
  ),
  directory_user_gone: remedy(
    'user',
    4,
    'The mailbox belongs to a directory user who is gone or has another e-mail address: Keycloak, Users, Email.',
    ({ address }) => `mailpassd mailbox show ${shell(address)}`,
  ),
  directory_ambiguous: remedy(
    'user',
    4,
    'Several users have this e-mail address: leave it to one of them (Keycloak, Users, search for %address).',
  ),
  directory_email_differs: remedy(
    'user',
    4,
    'The directory found a user of another e-mail address: search Keycloak, Users for %address.',
    CHECK,
  ),
  directory_disabled: remedy('user', 4, `The user is disabled: ${WITH_KEYCLOAK}, Enabled.`),
  directory_locked_out: remedy(
    'user',
    4,
    `Keycloak locked the user out after failed logins: ${WITH_KEYCLOAK}, Enabled (and look at who guesses).`,
    LOG,
  ),
  email_unverified: remedy(
    'user',
    4,
    `The e-mail address is not verified: ${WITH_KEYCLOAK}, Email verified; or see directory.require_email_verified.`,
  ),
  required_actions: remedy(
    'user',
    4,
    `The user has to log in at Keycloak first (${WITH_KEYCLOAK}, Required user actions); see directory.refuse_required_actions.`,
  ),
  identity_changed: remedy(
    'user',
    4,
    'The mailbox belongs to another directory user than the one with this address. Only if the newcomer is to have the old mail:',
    ({ address }) => `mailpassd mailbox rebind ${shell(address)}`,
  ),

  no_hash: remedy(
    'hash',
    5,
    `There is no password hash: make one and put it into the attribute (${WITH_KEYCLOAK}, Attributes).`,
    () => 'mailpassd hash make',
  ),
  hash_hidden: remedy(
    'hash',
    5,
    "The realm hides the password attribute: let administrators view it in the realm's user profile.",
    CHECK,
  ),
  hash_unusable: remedy(
    'hash',
    5,
    'The stored hash cannot be compared: make a new one.',
    () => 'mailpassd hash make',
  ),
  authsource_unsupported: remedy(
    'hash',
    5,
    'The mailbox takes its password from LDAP or another login page: make an app password, or set its identity provider to Keycloak (mailcow: E-Mail, Configuration, Mailboxes).',
  ),

  locked: remedy(
    'lock',
    6,
    'An operator locked the mailbox (`mailpassd mailbox show` says why). When the reason is gone:',
    ({ address }) => `mailpassd mailbox unlock ${shell(address)}`,
  ),
  local_part_not_allowed: remedy(
    'mailbox',
    6,
    'No mailbox is made for such a name (letters, digits, . _ + = - only): make it by hand, or use another address.',
  ),
  object_exists: remedy(
    'mailbox',
    6,
    'The database takes another name for this one (accents, case): use another address, or rename the other.',
  ),
  is_alias: remedy(
    'mailbox',
    6,
    'The address is an alias: log in with the mailbox it leads to, or delete the alias.',
  ),
  is_spam_alias: remedy(
    'mailbox',
    6,
    'The address is a temporary alias: log in with the mailbox it belongs to.',
  ),
  mailbox_inactive: remedy(
    'mailbox',
    6,
    'The mailbox is off: set mailbox.active = 1 (mailcow: E-Mail, Configuration, Mailboxes); where a template says so, correct the template.',
  ),
  mailbox_receive_only: remedy(
    'mailbox',
    6,
    'The mailbox receives only: set mailbox.active = 1 (mailcow: E-Mail, Configuration, Mailboxes).',
  ),
  mailbox_is_resource: remedy('mailbox', 6, 'The mailbox is a room or a thing: nobody logs in there.'),
  tfa_active: remedy('mailbox', 6, 'The mailbox has a second factor: mail programs need an app password.'),

  service_closed: remedy(
    'service',
    7,
    'This protocol is closed: open it for the mailbox (mailcow: edit the mailbox, Allow protocols; else docs/services.md has the statement), or use an app password that was made for it.',
  ),
  service_unknown: remedy(
    'service',
    7,
    'The mail server names a service without a rule: docs/services.md has the names.',
  ),

  app_password_revoked: remedy(
    'app_passwords',
    8,
    'The app password was revoked: make a new one.',
    NEW_APP_PASSWORD,
  ),
  app_password_off: remedy(
    'app_passwords',
    8,
    'The app password is switched off: switch it on (mailcow: edit the app password), or make a new one.',
    NEW_APP_PASSWORD,
  ),
  app_password_other_identity: remedy(
    'app_passwords',
    8,
    'The app password was made for the directory user who had the mailbox before: make a new one.',
    NEW_APP_PASSWORD,
  ),
  app_password_network: remedy(
    'app_passwords',
    8,
    'The app password is for other networks than the client comes from: use --ip with its address, or make a new one.',
    NEW_APP_PASSWORD,
  ),
  app_password_unused: remedy(
    'app_passwords',
    8,
    'The app password was not used for too long: make a new one.',
    NEW_APP_PASSWORD,
  ),
  app_password_differs: remedy(
    'app_passwords',
    8,
    'An app password was mistyped: make a new one, if it is lost.',
    NEW_APP_PASSWORD,
  ),
  too_many_app_passwords: remedy(
    'app_passwords',
    8,
    'Too many app passwords of other programs: remove some, or make those that are in use anew.',
    NEW_APP_PASSWORD,
  ),
  app_password_expired: remedy(
    'app_passwords',
    8,
    'The app password is past its date: make a new one.',
    NEW_APP_PASSWORD,
  ),

  hash_differs: remedy(
    'hash',
    9,
    'A password was tried that matches no stored hash: try it, and see what the log says.',
    LOG,
  ),
  password_too_long: remedy('hash', 9, 'The password is longer than 1024 bytes.'),
  authzid_differs: remedy('hash', 9, 'The mail program must not ask to act as somebody else (authzid).'),
  busy: remedy(
    'admission',
    9,
    'Too many passwords are being compared: try again; see who asks.',
    () => 'mailpassd status',
  ),
  too_many_guesses: remedy(
    'admission',
    3,
    'Different wrong passwords were tried, too many within an hour: see at what and from where. A device or a webmail with a list of old passwords, or somebody who guesses. Let them in again when it is over.',
    ({ address }) => `mailpassd penalty clear ${shell(address)}`,
  ),
} as const satisfies Record<Why, Remedy>
