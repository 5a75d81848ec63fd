/**
 * DES-CRYPT, the thirteen characters of the seventh edition's crypt(3). Weak: eight characters of seven bits count,
 * 4096 salts. Synchronous: only worker threads call it.
 */
import unixCrypt from 'unix-crypt-td-js'
import { unusable, type Unusable } from './unusable.ts'

export interface DesCrypt {
  readonly kind: 'des-crypt'
  /** The salt: two characters. */
  readonly setting: string
  readonly digest: string
}

const SHAPE = /^([./0-9A-Za-z]{2})([./0-9A-Za-z]{11})$/

export function parseDesCrypt(text: string): DesCrypt | Unusable {
  const [, setting, digest] = SHAPE.exec(text) ?? []
  if (setting === undefined || digest === undefined) return unusable('malformed DES-CRYPT hash')
  return { kind: 'des-crypt', setting, digest }
}

/** The hash text of `password`; of a password as bytes, because the library takes text for Latin-1. */
export function desCrypt(password: Uint8Array, { setting }: DesCrypt): string {
  return unixCrypt(password, setting)
}
