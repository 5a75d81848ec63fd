/** Dovecot's userdb answer for a mailbox: where its mail is. */
import type { Why } from '../login/outcome.ts'

export interface UserDbEntry {
  /** The canonical address. */
  readonly user: string
  readonly uid: string
  readonly gid: string
  readonly home: string
  /** Dovecot mail_location, e.g. maildir:/var/vmail/example.org/jane/ */
  readonly mail: string
  /** 0 is unlimited. */
  readonly quotaBytes: number
}

/** "Don't know" is never "absent": LMTP would bounce mail for it. */
export type UserDbAnswer =
  | { readonly kind: 'found'; readonly entry: UserDbEntry }
  | { readonly kind: 'absent' }
  | { readonly kind: 'temp_fail'; readonly why: Why }

export type UserDb = (name: string) => Promise<UserDbAnswer>
