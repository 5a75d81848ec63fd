/** A worker script with faults on demand: the first byte of the password says which. Otherwise everything matches. */
import { parentPort } from 'node:worker_threads'
import type { CryptRequest } from '../../../src/password/worker.ts'

parentPort?.on('message', ({ setting, password }: CryptRequest) => {
  switch (String.fromCharCode(password[0] ?? 0)) {
    case 'e':
      process.exit(3)
      break
    case 't':
      throw new Error('a fault')
    case 'h':
      return // hangs: never answers
    default:
      parentPort?.postMessage(setting, [])
  }
})
