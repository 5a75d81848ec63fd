/**
 * What the rooms know of the directory's rules: a versioned, immutable value made from the process configuration.
 * Rooms read it anew for each login, so that another source of settings can replace it while the daemon runs.
 */
import type { DirectoryConfig, StoreConfig } from './schema.ts'

export interface DirectorySettings {
  readonly version: number
  readonly mailpasswordFlow: boolean
  /** Whether mailboxes are made in domains that have no setting of their own. */
  readonly loginProvisioning: boolean
  readonly defaultTemplate: string | undefined
  /** Value of the template attribute -> template name. */
  readonly mappings: ReadonlyMap<string, string>
  readonly requireEmailVerified: 'auto' | 'yes' | 'no'
  readonly refuseRequiredActions: boolean
  readonly lockout: 'block' | 'ignore'
  readonly trustUserAttributes: boolean
  /**
   * Whether a new mailbox gets the user's first and last name. Off in mailcow's schema: its PHP takes a mailbox with
   * a name for a changed one and re-applies the whole template at each of its own logins.
   */
  readonly namesFromDirectory: boolean
}

export type SettingsSource = () => DirectorySettings

/** The settings as the configuration file has them. A standalone domain without a row of ours makes no mailboxes. */
export function settingsFromConfig(directory: DirectoryConfig, store: StoreConfig): DirectorySettings {
  return Object.freeze({
    version: 1,
    mailpasswordFlow: directory.mailpassword_flow,
    loginProvisioning: store.schema === 'mailcow' && directory.login_provisioning,
    // Standalone, the template that the first migration makes: a domain added with nothing else said has to work.
    defaultTemplate: directory.default_template ?? (store.schema === 'standalone' ? 'Default' : undefined),
    mappings: new Map(directory.mappings.map((mapping) => [mapping.attribute, mapping.template])),
    requireEmailVerified: directory.require_email_verified,
    refuseRequiredActions: directory.refuse_required_actions,
    lockout: directory.lockout,
    trustUserAttributes: directory.trust_user_attributes,
    namesFromDirectory: store.schema === 'standalone',
  })
}
