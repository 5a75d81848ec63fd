/**
 * What the connection test asks of a directory server, step by step, where a login only asks for a user. Facts, not
 * judgments; the adapter that speaks to the server implements it. No secret, hash or token is in any of them.
 */
import type { ChangeSettings } from '../directory/changes.ts'
import type { Directory } from '../directory/directory.ts'

export type Resolved =
  | { readonly kind: 'resolved'; readonly addresses: readonly string[] }
  | { readonly kind: 'failed'; readonly code: string }

/** One address: connected where there is no code. */
export interface Connected {
  readonly address: string
  readonly code: string | undefined
}

export interface Certificate {
  /** `CN=id.example.org, O=Example`, printable. */
  readonly subject: string
  readonly issuer: string
  readonly validFromMs: number
  readonly validToMs: number
}

export type Handshake =
  /** No TLS at all came about: refused protocol, no TLS server, broken off. */
  | { readonly kind: 'failed'; readonly code: string }
  | {
      readonly kind: 'done'
      readonly protocol: string
      /** From the server's own to the authority, as far as they are known. */
      readonly chain: readonly Certificate[]
      /** OpenSSL's code (CERT_HAS_EXPIRED …) where the chain is not trusted. */
      readonly fault: string | undefined
      /** The names that the certificate is for, where the configured one is none of them. */
      readonly otherNames: readonly string[] | undefined
    }

export type TokenRefusal =
  | 'wrong_secret'
  | 'unknown_client'
  | 'public_client'
  | 'no_service_account'
  | 'service_account_disabled'
  | 'other_authenticator'
  | 'realm_missing'
  | 'realm_disabled'
  | 'https_required'
  | 'no_keycloak'
  | 'other'

export interface TokenTimes {
  /** Our wall clock before and after. */
  readonly askedAtMs: number
  readonly answeredAtMs: number
  /** The server's, to the second: the token's `iat`, or else the head line Date. */
  readonly serverSeconds: number | undefined
}

export type TokenAnswer =
  | {
      readonly kind: 'given'
      readonly times: TokenTimes
      readonly lifeSeconds: number
      /** Roles over realms and users, of realm-management and its like; undefined where the token shows no roles. */
      readonly roles: readonly string[] | undefined
    }
  | {
      readonly kind: 'refused'
      readonly times: TokenTimes
      readonly why: TokenRefusal
      readonly status: number
    }

/** Undefined fields are not shown to our client: without view-realm Keycloak leaves most out. */
export interface RealmSettings {
  readonly registrationAllowed: boolean | undefined
  readonly verifyEmail: boolean | undefined
  readonly duplicateEmailsAllowed: boolean | undefined
  readonly bruteForceProtected: boolean | undefined
  readonly permanentLockout: boolean | undefined
}

/** Who may do what with an attribute, by the realm's user profile. */
export interface AttributeRule {
  readonly declared: boolean
  /** To administrators, of whom we are one. */
  readonly visible: boolean
  readonly adminEdited: boolean
  readonly selfVisible: boolean
  readonly selfEdited: boolean
}

export interface ServerProbe {
  /** The configured base URL, for messages. */
  readonly url: string
  readonly host: string
  readonly port: number
  readonly isEncrypted: boolean
  resolve(): Promise<Resolved>
  connect(address: string): Promise<Connected>
  handshake(): Promise<Handshake>
  /** Asks for a token, each time anew. Throws MailpassdError directory_*. */
  token(): Promise<TokenAnswer>
  /** The directory as a login asks it. */
  readonly directory: Pick<Directory, 'findByEmail'>
  /** Throws MailpassdError directory_*, as the ones below. */
  realm(): Promise<RealmSettings>
  attributeRule(name: string): Promise<AttributeRule>
  /** `hidden`: our client may not see them. */
  events(): Promise<ChangeSettings | 'hidden'>
  close(): Promise<void>
}
