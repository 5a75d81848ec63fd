/** Where a realm's API is: paths below the server's URL, every part encoded (realm names may hold blanks and more). */
import { MailpassdError } from '../../errors.ts'

export interface Endpoints {
  /** scheme://host:port, what the pool connects to. */
  readonly origin: string
  readonly token: string
  readonly realm: string
  readonly userProfile: string
  /** Whether events are kept. */
  readonly eventsConfig: string
  readonly count: string
  /** Users from place `first` on, at most `max`. */
  page(wish: { readonly first: number; readonly max: number }): string
  /** With this query. */
  adminEvents(query: string): string
  userEvents(query: string): string
  /** Users with exactly this e-mail. */
  byEmail(email: string): string
  /** The user with this id, as a list of one or none. */
  byId(id: string): string
}

/** More than any realm has under one address; Keycloak's own default. */
const MAX_HITS = 100

/**
 * The paths for a server URL, which may end in a path (/auth of old versions) and slashes, and a realm.
 * Throws config_invalid for a URL that is not http(s) or holds user, query or fragment.
 */
export function endpointsOf(serverUrl: string, realm: string): Endpoints {
  const url = URL.parse(serverUrl)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new MailpassdError('config_invalid', 'directory.server_url: not an http or https URL')
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new MailpassdError('config_invalid', 'directory.server_url: user, query or fragment in it')
  }
  if (realm === '' || !realm.isWellFormed()) {
    throw new MailpassdError('config_invalid', 'directory.realm: empty or not Unicode')
  }
  const base = url.pathname.replace(/\/+$/, '')
  const name = encodeURIComponent(realm)
  const admin = `${base}/admin/realms/${name}`
  return {
    origin: url.origin,
    token: `${base}/realms/${name}/protocol/openid-connect/token`,
    realm: admin,
    userProfile: `${admin}/users/profile`,
    eventsConfig: `${admin}/events/config`,
    // Both leave service accounts out, and only without other parameters (26.7.3). Pages are in the order of user names.
    count: `${admin}/users/count`,
    page: ({ first, max }) => `${admin}/users?first=${first}&max=${max}&briefRepresentation=false`,
    adminEvents: (query) => `${admin}/admin-events?${query}`,
    userEvents: (query) => `${admin}/events?${query}`,
    // Literal `true`: Java's Boolean reads `exact=1` as false, and the search becomes one for substrings.
    // Not search=email:… - it answers 400 where two users have the address (26.7.3).
    byEmail: (email) =>
      `${admin}/users?email=${encodeURIComponent(email)}&exact=true&briefRepresentation=false&max=${MAX_HITS}`,
    // The list, not users/{id}: older versions show temporarily locked users as disabled there, and an empty
    // list cannot be mistaken for a proxy's or a missing realm's 404.
    byId: (id) => `${admin}/users?search=${encodeURIComponent(`id:${id}`)}&briefRepresentation=false&max=2`,
  }
}
