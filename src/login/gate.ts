/**
 * Whether a mailbox, as it is or as it is planned to be, may be used over this service with this credential. Pure;
 * decided before anything is written, so that a refused login writes nothing.
 */
import type { Account } from '../account/account.ts'
import { lifeOf } from '../account/app-password-life.ts'
import type { StoredAppPassword } from '../account/stored.ts'
import type { Credential } from '../credential/candidates.ts'
import type { Change } from '../mailbox/change.ts'
import { isInNetworks } from '../policy/cidr.ts'
import type { Why } from './outcome.ts'
import type { Door, LoginRequest } from './request.ts'
import { isFlagged, type FlaggedService, type Service } from './service.ts'

interface Planned {
  readonly active: 0 | 1 | 2
  readonly kind: string
  readonly tfaActive: boolean
  readonly authsource: string
  readonly services: Readonly<Partial<Record<FlaggedService, boolean>>>
  readonly directoryId: string | undefined
}

/** What of a request the gate looks at; explain has no more of it. */
export type GatedRequest = Pick<LoginRequest, 'service' | 'door' | 'remoteIp'>

/** The reason to refuse, or undefined when the login may go on. `nowMs` is wall-clock time. */
export function gate(
  account: Account,
  changes: readonly Change[],
  credential: Credential,
  request: GatedRequest,
  nowMs: number,
): Why | undefined {
  const { service, door } = request
  if (account.stored.domain?.active === false) return 'domain_inactive'
  const planned = plannedMailbox(account, changes)
  if (planned === undefined) return 'no_such_user'
  if (planned.active === 0) return 'mailbox_inactive'
  if (planned.active === 2) return 'mailbox_receive_only'
  if (planned.kind !== '') return 'mailbox_is_resource'
  switch (credential.kind) {
    case 'app':
      return (
        gateLife(credential.row, planned.directoryId, nowMs) ??
        gateService(credential.row.services, service, door) ??
        gateNetwork(credential.row.own?.networks ?? [], request.remoteIp)
      )
    case 'main':
      return gateMain(planned, service, door)
    case 'sogo':
      return isSogo(service, door) ? undefined : 'service_unknown'
  }
}

/** SOGo speaks for ActiveSync, CalDAV and webmail at once: no protocol's flag is asked, of no password (as mailcow). */
function isSogo(service: Service, door: Door): boolean {
  return service === 'sogo' && door === 'mailcow'
}

/** Whether an app password's time is over. Told only to who has it: its hash was compared before. */
function gateLife(
  { own, active, lastUsedMs }: StoredAppPassword,
  directoryId: string | undefined,
  nowMs: number,
): Why | undefined {
  // Made elsewhere: only active ones are loaded, and nothing more is known of them.
  if (own === undefined) return undefined
  switch (lifeOf(own, active, lastUsedMs, nowMs)) {
    case 'revoked':
      return 'app_password_revoked'
    case 'expired':
      return 'app_password_expired'
    case 'unused':
      return 'app_password_unused'
    case 'off':
      return 'app_password_off'
    case 'active': {
      const isOther = own.directoryId !== undefined && own.directoryId !== directoryId
      return isOther ? 'app_password_other_identity' : undefined
    }
  }
}

/** Where the client came from is not known: then it did not come from where it may. */
function gateNetwork(networks: readonly string[], remoteIp: string | undefined): Why | undefined {
  if (networks.length === 0) return undefined
  const isInside = remoteIp !== undefined && isInNetworks(remoteIp, networks)
  return isInside ? undefined : 'app_password_network'
}

/** App passwords: their own flags decide, not the mailbox's (as mailcow); unknown services are closed. */
function gateService(services: ReadonlySet<FlaggedService>, service: Service, door: Door): Why | undefined {
  if (isSogo(service, door)) return undefined
  if (!isFlagged(service)) return 'service_unknown'
  return services.has(service) ? undefined : 'service_closed'
}

function gateMain(planned: Planned, service: Service, door: Door): Why | undefined {
  // mailcow refuses the main password of its own accounts with a second factor over mail protocols.
  if (planned.tfaActive && planned.authsource === 'mailcow') return 'tfa_active'
  if (isSogo(service, door)) return undefined
  // mailcow denies only what is present and not '1', and knows nothing of other services: so does its own route. Its
  // NONE, which skips all checks, is its own code's word: who says it from elsewhere than SOGo's address made it up.
  if (!isFlagged(service)) return door === 'mailcow' && service !== 'none' ? undefined : 'service_unknown'
  return planned.services[service] === false ? 'service_closed' : undefined
}

function plannedMailbox(account: Account, changes: readonly Change[]): Planned | undefined {
  const bound = changes.find((change) => change.kind === 'bind_identity')?.directoryId
  for (const change of changes) {
    if (change.kind === 'make_mailbox') {
      const services: Partial<Record<FlaggedService, boolean>> = {}
      for (const service of ['imap', 'pop3', 'smtp', 'sieve', 'eas', 'dav'] as const) {
        const flag = change.attributes[`${service}_access`]
        if (flag !== undefined) services[service] = flag === '1'
      }
      const { active } = change
      return { active, kind: '', tfaActive: false, authsource: 'keycloak', services, directoryId: bound }
    }
  }
  const { mailbox } = account.stored
  return mailbox === undefined || bound === undefined ? mailbox : { ...mailbox, directoryId: bound }
}
