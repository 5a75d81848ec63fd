/** What an access token of our own says (RFC 9068): when it was made, and what its bearer may do in the realm. */
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'

const Roles = Type.Object({ roles: Type.Array(Type.String()) })

const Claims = Compile(
  Type.Object({
    iat: Type.Optional(Type.Number({ minimum: 0, maximum: 1e12 })),
    realm_access: Type.Optional(Roles),
    resource_access: Type.Optional(Type.Record(Type.String(), Roles)),
  }),
)

export interface TokenFacts {
  readonly issuedAtSeconds: number | undefined
  /** Roles over realms and users; undefined where the token shows no roles of any kind. */
  readonly roles: readonly string[] | undefined
}

const NOTHING: TokenFacts = { issuedAtSeconds: undefined, roles: undefined }

/**
 * Clients whose roles are over realms: a realm's own, and in the realm master one for each realm. Roles of `account`
 * and of other clients (every user has manage-account) say nothing of the admin API.
 */
const ADMINISTRATIVE = /^realm-management$|-realm$/
/** Realm roles of the realm master that open every realm. */
const OVER_ALL_REALMS = new Set(['admin', 'create-realm'])

/** Composite roles are in a token already taken apart (seen on 26.7.3). Not verified: it came from its issuer just now. */
export function readAccessToken(token: string): TokenFacts {
  const claims = parseClaims(token)
  if (!Claims.Check(claims)) return NOTHING
  const { iat: issuedAtSeconds, realm_access: ofRealm, resource_access: ofClients } = claims
  if (ofRealm === undefined && ofClients === undefined) return { issuedAtSeconds, roles: undefined }
  const ours = Object.entries(ofClients ?? {}).flatMap(([client, { roles }]) =>
    ADMINISTRATIVE.test(client) ? roles : [],
  )
  const overAll = (ofRealm?.roles ?? []).filter((role) => OVER_ALL_REALMS.has(role))
  return { issuedAtSeconds, roles: [...new Set([...ours, ...overAll])] }
}

function parseClaims(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
}
