/** What a full pool leaves to others: threads of libuv for host names and files, and the event loop. */
import { execFile } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { Costs, nominalCostMs } from '../../src/password/cost.ts'
import { readComparison, type Slow } from '../../src/password/comparison.ts'
import { Heap, type HeapEntry } from '../../src/password/heap.ts'
import { FREE_THREADS, threadpoolSize, workersOf } from '../../src/password/threadpool.ts'
import { isUnusable } from '../../src/password/unusable.ts'
import { Secret } from '../../src/secret.ts'
import { poolFor, ticketOf } from './pools.ts'

const ROOT = join(import.meta.dirname, '../..')
const BCRYPT_DIGEST = 'XRKJR3jPHN0Pl.r0iYZtIOQMjjWrRKs2AE.dFSOKxMVfd7M180lWS'

function slow(hash: string): Slow {
  const comparison = readComparison(hash, true)
  if (isUnusable(comparison) || comparison.kind === 'immediate') throw new Error(`${hash} is not slow`)
  return comparison
}

const bcrypt = (cost: number): Slow =>
  slow(`{BLF-CRYPT}$2y$${String(cost).padStart(2, '0')}$${BCRYPT_DIGEST}`)

t.test(
  'with the pool full a host name is looked up and a file is read, before any comparison ends',
  async (t) => {
    const threadpool = threadpoolSize(process.env)
    const pool = poolFor(t, { workers: 256, threadpool })
    let ended = 0
    const answers = Array.from({ length: threadpool + 4 }, async () => {
      // More than a second each. The last ones are refused at the end: they are too many.
      await pool.verify(`{BLF-CRYPT}$2y$14$${BCRYPT_DIGEST}`, Secret.fromText('test'), ticketOf())
      ended += 1
    })
    t.equal(pool.figures().workers, threadpool - FREE_THREADS)
    t.equal(pool.figures().running, threadpool - FREE_THREADS)
    const [found, file] = await Promise.all([lookup('localhost'), readFile(import.meta.filename)])
    t.equal(ended, 0)
    t.match(found.address, /^(127\.|::1)/)
    t.ok(file.length > 0)
    await pool.close()
    await Promise.all(answers)
  },
)

t.test(
  'as ./mailpassd starts it: a worker for each core, though half of the threads look up names',
  async (t) => {
    const { UV_THREADPOOL_SIZE: _, ...env } = process.env
    const entry = { ...env, MAILPASSD_ENTRY: 'test/password/workers/threadpool.ts' }
    const run = promisify(execFile)
    const { stdout } = await run(join(ROOT, 'mailpassd'), [], { env: entry })
    const { threads, workers, cores } = JSON.parse(stdout)
    t.equal(workers, cores)
    t.ok(threads - Math.floor((threads + 1) / 2) > workers)
    const own = await run(join(ROOT, 'mailpassd'), [], { env: { ...entry, UV_THREADPOOL_SIZE: '6' } })
    t.equal(JSON.parse(own.stdout).threads, 6, 'what the environment says stays')
  },
)

t.test('workers: as configured or as many as cores, but for the threads that stay free', async (t) => {
  t.equal(workersOf(0, 12, 4), 4)
  t.equal(workersOf(6, 12, 4), 6)
  t.equal(workersOf(256, 12, 4), 10)
  t.equal(workersOf(0, 4, 16), 2)
  t.equal(workersOf(0, 1, 16), 1)
  for (const [text, size] of [
    [undefined, 4],
    ['12', 12],
    ['0', 1],
    ['many', 1],
    ['100000', 1024],
  ] as const) {
    t.equal(threadpoolSize(text === undefined ? {} : { UV_THREADPOOL_SIZE: text }), size)
  }
})

t.test('cost: doubles with bcrypt, follows rounds, memory and, for SHA-crypt, the password', async (t) => {
  t.equal(nominalCostMs(bcrypt(14), 8), 16 * nominalCostMs(bcrypt(10), 8))
  const sha = (rounds: number): Slow => slow(`{CRYPT}$6$rounds=${rounds}$salt$${'a'.repeat(86)}`)
  t.ok(nominalCostMs(sha(100_000), 8) > 10 * nominalCostMs(sha(5000), 8))
  t.ok(nominalCostMs(sha(5000), 1024) > 3 * nominalCostMs(sha(5000), 8))
  const argon2 = (kib: number, passes: number): Slow =>
    slow(`{ARGON2ID}$argon2id$v=19$m=${kib},t=${passes},p=1$c2FsdHNhbHRzYWx0$${'A'.repeat(43)}`)
  t.ok(nominalCostMs(argon2(65_536, 4), 8) > 7 * nominalCostMs(argon2(32_768, 1), 8))
  for (const hash of ['{CRYPT}Y3u.O7fuIVCCI', `{PBKDF2}$1$s$9$${'0'.repeat(40)}`]) {
    t.ok(nominalCostMs(slow(hash), 0) > 0)
  }
})

t.test(
  'cost: what comparisons took here corrects it, for their magnitude first, one outlier a little',
  async (t) => {
    const costs = new Costs()
    t.equal(costs.estimate(bcrypt(10), 8), nominalCostMs(bcrypt(10), 8))
    for (let i = 0; i < 100; i += 1) costs.measured(bcrypt(10), 8, 500)
    t.ok(Math.abs(costs.estimate(bcrypt(10), 8) - 500) < 1)
    const other = costs.estimate(bcrypt(12), 8)
    t.ok(Math.abs(other - 2000) < 4, 'another magnitude is rated by its scheme')
    costs.measured(bcrypt(12), 8, 1000)
    t.ok(Math.abs(costs.estimate(bcrypt(12), 8) - 1000) < 1, 'until it is measured')
    costs.measured(bcrypt(10), 8, 600_000)
    t.ok(costs.estimate(bcrypt(10), 8) < 1000)
  },
)

t.test('the heap gives its entries in order, whatever is moved and removed meanwhile', async () => {
  class Entry implements HeapEntry {
    heapAt = -1
    key: number
    constructor(key: number) {
      this.key = key
    }
  }
  fc.assert(
    fc.property(
      fc.array(fc.integer()),
      fc.array(fc.tuple(fc.nat(), fc.option(fc.integer()))),
      (keys, changes) => {
        const heap = new Heap<Entry>((a, b) => a.key < b.key)
        const entries = keys.map((key) => new Entry(key))
        for (const entry of entries) heap.push(entry)
        for (const [at, key] of changes) {
          const entry = entries[at % Math.max(1, entries.length)]
          if (entry === undefined || entry.heapAt < 0) continue
          if (key === null) heap.remove(entry)
          else {
            entry.key = key
            heap.moved(entry)
          }
        }
        const left = entries.filter(({ heapAt }) => heapAt >= 0).map(({ key }) => key)
        const taken: number[] = []
        for (let first = heap.peek(); first !== undefined; first = heap.peek()) {
          heap.remove(first)
          taken.push(first.key)
        }
        return JSON.stringify(taken) === JSON.stringify(left.toSorted((a, b) => a - b))
      },
    ),
  )
})
