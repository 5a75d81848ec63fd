/** The thread that loadIndex starts for a big file: reads, parses, indexes, hands the blocks over and ends. */
import { parentPort, workerData } from 'node:worker_threads'
import { Type } from 'typebox'
import { Parse } from 'typebox/value'
import { MailpassdError } from '../../errors.ts'
import { buildIndex } from './index-table.ts'
import type { WorkerAnswer } from './load-index.ts'
import { readText } from './read.ts'
import { parseRealm, RealmInvalid } from './realm.ts'

const WorkerInput = Type.Object({
  path: Type.String(),
  bytes: Type.Integer(),
  names: Type.Object({ password: Type.String(), template: Type.String() }),
})

async function load(): Promise<WorkerAnswer> {
  const { path, bytes, names } = Parse(WorkerInput, workerData)
  try {
    const realm = parseRealm(await readText(path, bytes), names)
    if (realm instanceof RealmInvalid) return { kind: 'invalid', reason: realm.reason }
    return { kind: 'index', index: buildIndex(realm) }
  } catch (error) {
    if (error instanceof MailpassdError) return { kind: 'unreadable', message: error.message }
    throw error
  }
}

const answer = await load()
const blocks =
  answer.kind === 'index'
    ? [answer.index.records, answer.index.byEmail, answer.index.byId, answer.index.places].map(
        ({ buffer }) => buffer,
      )
    : []
parentPort?.postMessage(answer, blocks)
