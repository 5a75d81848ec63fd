/** Judges what Keycloak says to our client: the token, the difference between the clocks, and what the roles allow. */
import type { TokenAnswer, TokenRefusal, TokenTimes } from './server-probe.ts'
import { found, type Finding } from './step.ts'
import { listed, spanOf } from './text.ts'

export interface ClientNames {
  readonly url: string
  readonly realm: string
  readonly clientId: string
}

/** What each refusal says, and its way out; Keycloak's console is named by its own words. */
function wordsOf(why: TokenRefusal, { url, realm, clientId }: ClientNames): readonly [string, string] {
  const client = `client ${JSON.stringify(clientId)}`
  const inRealm = `realm ${JSON.stringify(realm)}`
  switch (why) {
    case 'wrong_secret':
      return [
        `the client secret is wrong for the ${client}`,
        "copy it from the client's tab Credentials into the file of directory.client_secret_file",
      ]
    case 'unknown_client':
      return [
        `${inRealm} has no enabled ${client}`,
        'compare directory.client_id with Clients in the console of this very realm; is the client enabled?',
      ]
    case 'public_client':
      return [`the ${client} is public`, "switch Client authentication on in the client's Settings"]
    case 'no_service_account':
      return [
        `the ${client} has no service account`,
        "switch Service accounts roles on in the client's Settings, Capability config",
      ]
    case 'service_account_disabled':
      return [
        `the service account of the ${client} is disabled`,
        `enable the user service-account-${clientId.toLowerCase()}`,
      ]
    case 'other_authenticator':
      return [
        `the ${client} does not log in by a secret`,
        "choose Client Id and Secret in the client's tab Credentials",
      ]
    case 'realm_missing':
      return [
        `there is no ${inRealm} at ${url}`,
        "directory.realm is the realm's name as in the URL of its console: case counts, the display name does not",
      ]
    case 'realm_disabled':
      return [`${inRealm} is disabled`, 'enable it in Realm settings']
    case 'https_required':
      return [
        `${inRealm} refuses requests without TLS from here`,
        'let directory.server_url begin with https:// (or change Require SSL in Realm settings)',
      ]
    case 'no_keycloak':
      return [
        `at ${url} something answers that is no Keycloak, or has it under another path`,
        'directory.server_url is what stands before /realms/ in its URLs; versions before 17 have /auth there',
      ]
    case 'other':
      return [`Keycloak refused the ${client}`, 'the log of Keycloak says why (CLIENT_LOGIN_ERROR)']
  }
}

export function judgeToken(answer: TokenAnswer, names: ClientNames): Finding {
  if (answer.kind === 'given') return found.ok(`given for ${answer.lifeSeconds} s`)
  const [detail, hint] = wordsOf(answer.why, names)
  return found.failed(`${detail} (answer ${answer.status})`, hint)
}

/** Certificates and tokens bear this much; what people compare in two logs does not. */
const WARN_SKEW_MS = 30_000
const MAX_SKEW_MS = 300_000

/** How much our clock is ahead of the server's, at least: its time is known to the second, the way takes a while. */
function aheadMs({ askedAtMs, answeredAtMs, serverSeconds }: TokenTimes): number | undefined {
  if (serverSeconds === undefined) return undefined
  const [fromMs, toMs] = [serverSeconds * 1000, serverSeconds * 1000 + 999]
  if (askedAtMs > toMs) return askedAtMs - toMs
  return answeredAtMs < fromMs ? answeredAtMs - fromMs : 0
}

/** `lifeSeconds`: how long a token lives; with a larger difference it would be over before it began. */
export function judgeClock(times: TokenTimes, lifeSeconds: number | undefined): Finding {
  const ahead = aheadMs(times)
  if (ahead === undefined)
    return found.skipped('not known: Keycloak tells its time in a token, and gave none')
  const hint = 'run a time service on both machines (chrony, systemd-timesyncd)'
  const text = `our clock is ${spanOf(ahead)} ${ahead < 0 ? 'behind' : 'ahead of'} Keycloak's`
  const lifeMs = (lifeSeconds ?? Number.POSITIVE_INFINITY) * 1000
  if (Math.abs(ahead) > Math.min(MAX_SKEW_MS, lifeMs))
    return found.failed(`${text}: expiry dates, certificates and tokens mean another time on each side`, hint)
  if (Math.abs(ahead) > WARN_SKEW_MS) return found.warning(text, hint)
  return found.ok(ahead === 0 ? "the same time as Keycloak's" : text)
}

const VIEW_USERS = 'view-users'
/** Those that view-users brings along, and the two that let this test see more. All of them only read. */
const HARMLESS = new Set([VIEW_USERS, 'query-users', 'query-groups', 'view-realm', 'view-events'])
/** With any of them the client secret opens the realm: an administrator's password can be reset, or a role given. */
const DANGEROUS = /^(?:manage-.*|impersonation|realm-admin|create-realm|admin)$/

const ASSIGN =
  "assign view-users of realm-management in the client's tab Service accounts roles (docs/keycloak.md)"

/**
 * What the client may do. `mayLook`: a look-up was answered and not refused, for tokens that show no roles.
 */
export function judgeRoles(roles: readonly string[] | undefined, mayLook: boolean): Finding {
  if (roles === undefined)
    return mayLook
      ? found.warning(
          'the token does not show its roles, so whether it has too many cannot be told; look-ups are answered',
          "switch Always use lightweight access token off in the client's tab Advanced",
        )
      : found.failed('the client has no role over users: each look-up is refused', ASSIGN)
  const dangerous = roles.filter((role) => DANGEROUS.test(role))
  const isAble = roles.includes(VIEW_USERS)
  if (dangerous.length > 0)
    return found.failed(
      `too many roles: ${listed(dangerous)}. Whoever reads the client secret can take over the realm`,
      `${isAble ? 'take them away' : 'take them away and assign view-users'}, in the client's tab Service accounts roles`,
    )
  if (!isAble)
    return found.failed(
      roles.length === 0
        ? 'the client has no role over users: each look-up is refused'
        : `the role view-users is missing (there is ${listed(roles)}): users are not found, or look-ups are refused`,
      `${ASSIGN}; where it is assigned, switch Full scope allowed on in its tab Client scopes, …-dedicated, Scope`,
    )
  const extra = roles.filter((role) => !HARMLESS.has(role))
  return extra.length > 0
    ? found.warning(
        `more roles than needed: ${listed(extra)}`,
        "take them away in the client's tab Service accounts roles; view-users is enough",
      )
    : found.ok(listed(roles))
}
