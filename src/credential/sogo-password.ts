/** What a login by mailcow's SOGo needs of SOGo's own password: mailcow/sogo-password.ts reads it from its file. */
import type { Secret } from '../secret.ts'

export interface SogoPassword {
  /** Whether it is this one, compared in constant time; `unknown` where its file cannot be read. Never rejects. */
  matches(secret: Secret): Promise<boolean | 'unknown'>
}
