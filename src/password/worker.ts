/**
 * The worker thread of threads.ts: crypt(3) for the schemes that have no asynchronous implementation. One request at a
 * time: a password and a hash or setting come, the hash text of that password under that setting goes back.
 */
import { parentPort } from 'node:worker_threads'
import { parseBcrypt, textForBcryptjs } from './bcrypt.ts'
import { desCrypt, parseDesCrypt } from './des-crypt.ts'
import { md5Crypt, parseMd5Crypt } from './md5-crypt.ts'
import { parseShaCrypt, shaCrypt } from './sha-crypt.ts'
import { isUnusable } from './unusable.ts'

/** The buffer is transferred: afterwards the worker has the only copy, and wipes it. */
export interface CryptRequest {
  readonly setting: string
  readonly password: Uint8Array
}

/** null: cannot be computed here (malformed setting, bytes that bcryptjs cannot be given). */
export type CryptReply = string | null

async function crypt({ setting, password }: CryptRequest): Promise<CryptReply> {
  if (setting.startsWith('$2')) return bcrypt(setting, password)
  if (setting.startsWith('$1$')) {
    const parsed = parseMd5Crypt(setting)
    return isUnusable(parsed) ? null : md5Crypt(password, parsed)
  }
  if (setting.startsWith('$')) {
    const parsed = parseShaCrypt(setting)
    return isUnusable(parsed) ? null : shaCrypt(password, parsed)
  }
  const parsed = parseDesCrypt(setting)
  return isUnusable(parsed) ? null : desCrypt(password, parsed)
}

/** bcryptjs is loaded only where it is needed: where the native build is missing. */
async function bcrypt(setting: string, password: Uint8Array): Promise<CryptReply> {
  const parsed = parseBcrypt(setting)
  const text = isUnusable(parsed) ? null : textForBcryptjs(password, parsed)
  if (text === null) return null
  const { hashSync } = await import('bcryptjs')
  // It knows no `$2x$`, which for ASCII is the same; the revision is put back.
  return setting.slice(0, 4) + hashSync(text, `$2b$${setting.slice(4, 29)}`).slice(4)
}

parentPort?.on('message', (request: CryptRequest) => {
  void crypt(request)
    .finally(() => request.password.fill(0))
    .then((reply) => parentPort?.postMessage(reply, []))
})
