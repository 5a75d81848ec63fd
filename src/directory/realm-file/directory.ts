/**
 * A Keycloak realm export file as the directory: the embedded default, and a way to run without a Keycloak. Re-read
 * when it changes; a file that is half written or wrong leaves the last good reading in force.
 */
import type { Clock } from '../../clock.ts'
import { MailpassdError, toMailpassdError } from '../../errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Directory } from '../directory.ts'
import { isAskable, pickByEmail, type AttributeNames } from '../representation.ts'
import { singleFlight } from '../single-flight.ts'
import { userById, usersByEmail, usersFrom, type RealmIndex } from './index-table.ts'
import { loadIndex } from './load-index.ts'
import { statFile } from './read.ts'

export interface RealmFileOptions {
  readonly path: string
  readonly passwordAttribute: string
  readonly templateAttribute: string
  readonly logger: Logger
  readonly clock: Clock
}

/** The file is looked at (stat) at most so often. */
const CHECK_MS = 1000
/** So long a look-up waits for a new reading while there is an old one. */
const WAIT_MS = 1000

/** One reading of the file. */
interface Reading {
  readonly stamp: string
  readonly index: RealmIndex
}

/**
 * A Directory on a realm export ({realm, users: [...], ...} as `kc.sh export` and the admin console write it; users
 * must be in the same file). Reads nothing before the first look-up, which waits for the reading. What a look-up sees is
 * at most CHECK_MS old, and older only while a reading takes longer than WAIT_MS (100,000 users in 60 MB: 2.5 s).
 *
 * Memory: 0.4 KB a user outside the heap, twice that while a new reading replaces the old; 5 times the file in the
 * thread that reads a big one.
 */
export function createRealmFileDirectory(options: RealmFileOptions): Directory {
  const { path, logger, clock } = options
  const names: AttributeNames = { password: options.passwordAttribute, template: options.templateAttribute }
  let reading: Reading | undefined
  let checkedAtMs = Number.NEGATIVE_INFINITY
  /** The last reading that failed, so that the same wrong file is neither parsed nor told twice. */
  let failure: { readonly stamp: string; readonly error: MailpassdError } | undefined

  const check = singleFlight(async () => {
    const startedAtMs = clock.monotonicMs()
    let stamp = ''
    try {
      const state = await statFile(path)
      stamp = state.stamp
      if (stamp === reading?.stamp) {
        failure = undefined
      } else if (stamp !== failure?.stamp) {
        // The stamp from before reading: a write during it makes the next check read again.
        reading = { stamp, index: await loadIndex(path, state.bytes, names) }
        failure = undefined
        logger.info({ path, users: reading.index.count }, 'realm file read')
      }
    } catch (thrown) {
      const error = toMailpassdError(thrown)
      if (failure?.stamp !== stamp || failure.error.message !== error.message) {
        const text = reading === undefined ? 'no realm file to serve' : 'the last good realm file serves'
        logger.warn({ path, why: error.message }, text)
      }
      failure = { stamp, error }
    }
    checkedAtMs = startedAtMs
  })

  async function current(): Promise<RealmIndex> {
    if (clock.monotonicMs() - checkedAtMs >= CHECK_MS) {
      const checked = check()
      await (reading === undefined ? checked : atMost(clock, WAIT_MS, checked))
    }
    if (reading !== undefined) return reading.index
    throw failure?.error ?? new MailpassdError('directory_unavailable', `${path}: not read`)
  }

  return {
    async findByEmail(email) {
      const index = await current()
      return isAskable(email) ? pickByEmail(email, usersByEmail(index, email)) : { kind: 'absent' }
    },
    async findById(id) {
      return userById(await current(), id)
    },
    async count() {
      return (await current()).count
    },
    async page({ first, max }) {
      return usersFrom(await current(), first, max).map((user) => ({ kind: 'user', user }))
    },
    async profile() {
      return (await current()).profile
    },
    close: async () => {},
  }
}

/** Waits for the end of `work`, which never rejects, but not longer. */
async function atMost(clock: Clock, limitMs: number, work: Promise<void>): Promise<void> {
  const over = Promise.withResolvers<void>()
  const cancel = clock.after(limitMs, over.resolve)
  await Promise.race([work, over.promise])
  cancel()
}
