/**
 * `node bench/pool.ts`: the password pool beside the library that it calls, and a known user's comparison in a flood of
 * strangers'. Each round takes all in turn; the figures are medians of the rounds.
 *
 * It runs in a process of its own: libuv's threads are counted before a process starts.
 */
import { execFile } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Type, type Static } from 'typebox'
import { Value } from 'typebox/value'
import { systemClock } from '../src/clock.ts'
import { loadNativeBcrypt, type NativeBcrypt } from '../src/password/bcrypt.ts'
import { makeHash } from '../src/password/make.ts'
import { createPasswordPool, type PasswordPool } from '../src/password/pool.ts'
import { networksOf } from '../src/policy/network.ts'
import type { Ticket } from '../src/policy/ticket.ts'
import { Secret } from '../src/secret.ts'
import { digits } from './line.ts'

const Flood = Type.Object({
  /** A known user's comparison, from asking to its answer: one after the other. */
  knownMedianMs: Type.Number(),
  knownWorstMs: Type.Number(),
  /** Strangers that were compared, and that were refused, in a second. */
  comparedPerSecond: Type.Number(),
  refusedPerSecond: Type.Number(),
  loopP99Ms: Type.Number(),
})
export type FloodFigures = Static<typeof Flood>

const PoolFigures = Type.Object({
  cores: Type.Number(),
  rounds: Type.Number(),
  /** Comparisons of bcrypt 10 in a second. */
  rawPerSecond: Type.Number(),
  poolPerSecond: Type.Number(),
  /** The pool's by the library's, median of the rounds' ratios. */
  ratio: Type.Number(),
  /** Delay of the event loop meanwhile, 99th percentile. */
  rawLoopP99Ms: Type.Number(),
  poolLoopP99Ms: Type.Number(),
  /** A known user's comparison with nothing beside it. */
  aloneMs: Type.Number(),
  floodOf1: Flood,
  floodOf1000: Flood,
})
export type PoolFigures = Static<typeof PoolFigures>

const DEADLINE_MS = 8000
/** Of a flood in a second: far more than any number of cores compares. */
const FLOOD_PER_TICK = 20
const TICK_MS = 10

/** Measures in a process of its own, started as `./mailpassd` starts the daemon. Takes about 7 s a round. */
export async function measurePool(rounds = 5, seconds = 2): Promise<PoolFigures> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      '--max-semi-space-size=16',
      fileURLToPath(import.meta.url),
      '--measure',
      String(rounds),
      String(seconds),
    ],
    { env: { ...process.env, UV_THREADPOOL_SIZE: String(2 * availableParallelism() + 4) } },
  )
  return Value.Parse(PoolFigures, JSON.parse(stdout))
}

interface Subject {
  readonly native: NativeBcrypt
  readonly pool: PasswordPool
  readonly hash: string
}

let mailboxes = 0

function ticketFor(lane: Ticket['lane'], ip: string): Ticket {
  mailboxes += 1
  return {
    lane,
    networks: networksOf(ip),
    mailbox: `user${mailboxes}@example.org`,
    delayMs: 0,
    deadlineMs: systemClock.monotonicMs() + DEADLINE_MS,
  }
}

/** One of `count` networks. */
function ipOf(at: number, count: number): string {
  const network = at % count
  return `10.${network >> 8}.${network & 255}.1`
}

const wrong = (): Secret => Secret.fromText('not the password')

/** Runs `count` at a time for so long; gives how many ended in a second, and the loop's delay. */
async function rateOf(seconds: number, count: number, compare: () => Promise<unknown>) {
  const loop = startLoopDelay()
  const startMs = performance.now()
  const untilMs = startMs + seconds * 1000
  let ended = 0
  await Promise.all(
    Array.from({ length: count }, async () => {
      while (performance.now() < untilMs) {
        await compare()
        ended += 1
      }
    }),
  )
  return { perSecond: (ended * 1000) / (performance.now() - startMs), loopP99Ms: loop.stop() }
}

/** How late timers of 1 ms come: what a request that arrives meanwhile would wait. */
function startLoopDelay(): { stop(): number } {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  return {
    stop() {
      delay.disable()
      // It counts from one timer to the next.
      return Math.max(0, delay.percentile(99) / 1e6 - 1)
    },
  }
}

async function flood({ pool, hash }: Subject, seconds: number, networks: number): Promise<FloodFigures> {
  const loop = startLoopDelay()
  const untilMs = performance.now() + seconds * 1000
  const before = pool.figures()
  let sent = 0
  const strangers = (async () => {
    while (performance.now() < untilMs) {
      for (let i = 0; i < FLOOD_PER_TICK; i += 1) {
        sent += 1
        void pool.verify(hash, wrong(), ticketFor('stranger', ipOf(sent, networks)))
      }
      await sleep(TICK_MS)
    }
  })()
  const took: number[] = []
  await sleep(100)
  while (performance.now() < untilMs) {
    const askedMs = performance.now()
    await pool.verify(hash, wrong(), ticketFor('known', '192.0.2.1'))
    took.push(performance.now() - askedMs)
    await sleep(20)
  }
  await strangers
  const loopP99Ms = loop.stop()
  const after = pool.figures()
  return {
    knownMedianMs: middle(took),
    knownWorstMs: Math.max(...took),
    comparedPerSecond: (after.done - before.done - took.length) / seconds,
    refusedPerSecond: (after.busy - before.busy) / seconds,
    loopP99Ms,
  }
}

async function newSubject(native: NativeBcrypt, hash: string): Promise<Subject> {
  const pool = createPasswordPool({ allowWeak: false, argon2MemoryMib: 512, workers: 0, clock: systemClock })
  for (let i = 0; i < 10; i += 1) await pool.verify(hash, wrong(), ticketFor('known', '192.0.2.1'))
  return { native, pool, hash }
}

async function measure(rounds: number, seconds: number): Promise<PoolFigures> {
  const native = await loadNativeBcrypt()
  if (native === null) throw new Error('there is no native build of bcrypt here')
  const hash = await makeHash('BLF-CRYPT', Secret.fromText('the password'))
  const text = hash.slice('{BLF-CRYPT}'.length)
  const cores = availableParallelism()
  const bytes = Buffer.from('not the password')
  const found: Omit<PoolFigures, 'cores' | 'rounds'>[] = []
  for (let round = 0; round < rounds; round += 1) {
    const subject = await newSubject(native, hash)
    const { pool } = subject
    const raw = await rateOf(seconds, cores, () => native.verify(bytes, text))
    // Twenty wait for each that runs: the queue is measured, too.
    const pooled = await rateOf(seconds, cores * 20, async () => {
      const at = mailboxes
      return pool.verify(hash, wrong(), ticketFor('stranger', ipOf(at, 1000)))
    })
    const aloneFromMs = performance.now()
    await pool.verify(hash, wrong(), ticketFor('known', '192.0.2.1'))
    const aloneMs = performance.now() - aloneFromMs
    const floodOf1 = await flood(subject, seconds, 1)
    await pool.close()
    const other = await newSubject(native, hash)
    const floodOf1000 = await flood(other, seconds, 1000)
    await other.pool.close()
    await turn()
    found.push({
      rawPerSecond: raw.perSecond,
      poolPerSecond: pooled.perSecond,
      ratio: pooled.perSecond / raw.perSecond,
      rawLoopP99Ms: raw.loopP99Ms,
      poolLoopP99Ms: pooled.loopP99Ms,
      aloneMs,
      floodOf1,
      floodOf1000,
    })
  }
  const of = (read: (figures: (typeof found)[number]) => number): number => middle(found.map(read))
  const floodBy = (read: (figures: (typeof found)[number]) => FloodFigures): FloodFigures => ({
    knownMedianMs: of((one) => read(one).knownMedianMs),
    knownWorstMs: Math.max(...found.map((one) => read(one).knownWorstMs)),
    comparedPerSecond: of((one) => read(one).comparedPerSecond),
    refusedPerSecond: of((one) => read(one).refusedPerSecond),
    loopP99Ms: of((one) => read(one).loopP99Ms),
  })
  return {
    cores,
    rounds,
    rawPerSecond: of((one) => one.rawPerSecond),
    poolPerSecond: of((one) => one.poolPerSecond),
    ratio: of((one) => one.ratio),
    rawLoopP99Ms: of((one) => one.rawLoopP99Ms),
    poolLoopP99Ms: of((one) => one.poolLoopP99Ms),
    aloneMs: of((one) => one.aloneMs),
    floodOf1: floodBy((one) => one.floodOf1),
    floodOf1000: floodBy((one) => one.floodOf1000),
  }
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

function print(figures: PoolFigures): void {
  const { cores, rounds, ratio } = figures
  console.log(`bcrypt 10, ${cores} cores, ${rounds} rounds\n`)
  console.log(
    `library  ${digits(figures.rawPerSecond)}/s, event loop p99 ${digits(figures.rawLoopP99Ms)} ms late`,
  )
  console.log(
    `pool     ${digits(figures.poolPerSecond)}/s (${digits(100 * ratio)} %), event loop p99 ${digits(figures.poolLoopP99Ms)} ms late`,
  )
  console.log(`known user, nothing beside: ${digits(figures.aloneMs)} ms`)
  for (const [networks, flooded] of [
    [1, figures.floodOf1],
    [1000, figures.floodOf1000],
  ] as const) {
    const { knownMedianMs, knownWorstMs, comparedPerSecond, refusedPerSecond, loopP99Ms } = flooded
    console.log(
      `known user, flood from ${networks} networks: ${digits(knownMedianMs)} ms, at worst ${digits(knownWorstMs)} ms; ` +
        `strangers: ${digits(comparedPerSecond)}/s compared, ${digits(refusedPerSecond)}/s refused; event loop p99 ${digits(loopP99Ms)} ms late`,
    )
  }
}

if (import.meta.main) {
  const [flag, rounds, seconds] = process.argv.slice(2)
  if (flag === '--measure') console.log(JSON.stringify(await measure(Number(rounds), Number(seconds))))
  else print(await measurePool())
}
