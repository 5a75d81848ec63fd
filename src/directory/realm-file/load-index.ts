/**
 * Reads and indexes a realm file, a big one in a thread of its own: 100,000 users (60 MB) are some seconds of parsing
 * and checks, during which no login would be answered.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { MailpassdError } from '../../errors.ts'
import type { AttributeNames } from '../representation.ts'
import { buildIndex, type RealmIndex } from './index-table.ts'
import { readText } from './read.ts'
import { parseRealm, RealmInvalid } from './realm.ts'

/** Up to here the work takes about 3 ms, less than a thread costs to start. */
const MAX_INLINE_BYTES = 128 * 1024
/** A thread that says nothing for so long is stuck on a file system that hangs. */
const WORKER_LIMIT_MS = 120_000
const WORKER_HEAP_MIB = 4096

export type WorkerAnswer =
  | { readonly kind: 'index'; readonly index: RealmIndex }
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'unreadable'; readonly message: string }

/** Indexes the first `bytes` of the file. Throws directory_unavailable, directory_invalid with the place of the error. */
export async function loadIndex(path: string, bytes: number, names: AttributeNames): Promise<RealmIndex> {
  if (bytes <= MAX_INLINE_BYTES) {
    const realm = parseRealm(await readText(path, bytes), names)
    if (realm instanceof RealmInvalid) throw invalid(path, realm.reason)
    return buildIndex(realm)
  }
  const answer = await runWorker(path, bytes, names)
  switch (answer.kind) {
    case 'index':
      return answer.index
    case 'invalid':
      throw invalid(path, answer.reason)
    case 'unreadable':
      throw new MailpassdError('directory_unavailable', answer.message)
  }
}

async function runWorker(path: string, bytes: number, names: AttributeNames): Promise<WorkerAnswer> {
  const worker = new Worker(new URL('worker.ts', import.meta.url), {
    workerData: { path, bytes, names },
    resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MIB },
  })
  const ended = new AbortController()
  worker.once('exit', () => ended.abort())
  try {
    // Rejects with the thread's error (out of memory), at its end without a message, and when the time is over.
    const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(WORKER_LIMIT_MS)])
    // Our own worker sends WorkerAnswer and nothing else: the one border that is not parsed again.
    const [answer]: WorkerAnswer[] = await once(worker, 'message', { signal })
    if (answer === undefined) throw new Error('an empty message')
    return answer
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'the thread failed'
    throw invalid(path, `cannot be parsed: ${why}`)
  } finally {
    worker.on('error', () => {})
    await worker.terminate()
  }
}

function invalid(path: string, reason: string): MailpassdError {
  return new MailpassdError('directory_invalid', `${path}: ${reason}`)
}
