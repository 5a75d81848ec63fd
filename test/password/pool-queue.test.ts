/** The queue alone: nothing is lost, turns are fair by cost at every level, and what waits can be answered in time. */
import fc from 'fast-check'
import t from 'tap'
import { JobQueue, type JobQueueOptions } from '../../src/password/queue.ts'
import { Waiting, type Shed } from '../../src/password/waiting.ts'
import { networksOf } from '../../src/policy/network.ts'
import type { Ticket } from '../../src/policy/ticket.ts'
import { ticketOf } from './pools.ts'

class FakeJob extends Waiting {
  state: 'new' | 'waits' | 'runs' | 'done' | Shed = 'new'

  start(): void {
    this.state = 'runs'
  }

  refuse(why: Shed): void {
    this.state = why
  }
}

/** A queue whose time is told; jobs run as long as they cost. */
class Machine {
  nowMs = 0
  readonly queue: JobQueue
  readonly started: FakeJob[] = []
  readonly shed: FakeJob[] = []
  readonly running: { readonly job: Waiting; readonly endMs: number }[] = []
  readonly #workers: number

  constructor(options: Partial<JobQueueOptions> = {}) {
    const all = { workers: 2, memoryKib: 512 * 1024, maxQueuedPerLane: 10_000, ...options }
    this.#workers = all.workers
    this.queue = new JobQueue(all)
  }

  send(given: Partial<Ticket>, costMs: number, memoryKib = 0): FakeJob {
    const job = new FakeJob(ticketOf({ deadlineMs: Infinity, ...given }), costMs, memoryKib)
    const why = this.queue.push(job, this.nowMs)
    if (why === undefined) job.state = 'waits'
    else this.#refuse(job, why)
    this.#startNext()
    return job
  }

  /** The next job ends, or the next check is due. False where nothing is left to happen. */
  step(): boolean {
    this.running.sort((a, b) => a.endMs - b.endMs)
    const [first] = this.running
    const dueMs = Math.min(first?.endMs ?? Infinity, this.queue.nextCheckMs)
    if (dueMs === Infinity) return false
    this.nowMs = Math.max(this.nowMs, dueMs)
    if (first !== undefined && first.endMs <= this.nowMs) {
      this.running.shift()
      this.queue.done(first.job)
      if (first.job instanceof FakeJob) first.job.state = 'done'
    }
    this.#startNext()
    return true
  }

  runUntil(ms: number): void {
    while (this.nowMs < ms && this.step());
  }

  #startNext(): void {
    for (const job of this.queue.check(this.nowMs)) this.#refuse(job, 'overtaken')
    for (let job = this.queue.take(this.nowMs); job !== undefined; job = this.queue.take(this.nowMs)) {
      job.start()
      if (job instanceof FakeJob) this.started.push(job)
      this.running.push({ job, endMs: this.nowMs + job.costMs })
      if (this.running.length > this.#workers) throw new Error('more run than there are workers')
    }
  }

  #refuse(job: Waiting, why: Shed): void {
    job.refuse(why)
    if (job instanceof FakeJob) this.shed.push(job)
  }
}

const networks = (ip: string): readonly string[] => networksOf(ip)
const v4 = (at: number): readonly string[] => networks(`10.${at >> 8}.${at & 255}.1`)

/** Work that started, by what `key` says of a job. */
function workBy(jobs: readonly FakeJob[], key: (job: FakeJob) => string): Map<string, number> {
  const sums = new Map<string, number>()
  for (const job of jobs) sums.set(key(job), (sums.get(key(job)) ?? 0) + job.costMs)
  return sums
}

const widest = ({ ticket }: FakeJob): string => ticket.networks[0] ?? ''

const arrival = fc.record({
  lane: fc.constantFrom<Ticket['lane']>('known', 'stranger'),
  network: fc.constantFrom(
    '192.0.2.1',
    '198.51.100.1',
    '2001:db8::1',
    '2001:db8:0:1::1',
    '2001:db8:1::1',
    '::1',
  ),
  mailbox: fc.constantFrom('a', 'b', 'c', 'd'),
  costMs: fc.constantFrom(1, 50, 200, 800),
  memoryKib: fc.constantFrom(0, 0, 64, 400),
  patienceMs: fc.constantFrom(-1, 10, 500, 8000, Infinity),
  steps: fc.nat(3),
})

t.test('whatever comes: each job is answered once, the pair and the memory keep their bounds', async () => {
  fc.assert(
    fc.property(
      fc.array(arrival, { maxLength: 120 }),
      fc.integer({ min: 1, max: 4 }),
      (arrivals, workers) => {
        const machine = new Machine({ workers, memoryKib: 512, maxQueuedPerLane: 24 })
        const jobs = arrivals.map(({ lane, network, mailbox, costMs, memoryKib, patienceMs, steps }) => {
          const deadlineMs = machine.nowMs + patienceMs
          const job = machine.send(
            { lane, networks: networks(network), mailbox, deadlineMs },
            costMs,
            memoryKib,
          )
          const kib = machine.running.reduce((sum, one) => sum + one.job.memoryKib, 0)
          if (kib > 512 || kib !== machine.queue.memoryKib) return undefined
          const inPair = machine.running.filter(
            (one) =>
              one.job.ticket.mailbox === mailbox &&
              one.job.ticket.networks.at(-1) === networks(network).at(-1),
          )
          // A pair that is known to some of its requests and strange to others is in both lanes.
          if (inPair.filter((one) => one.job.ticket.lane === lane).length > 2) return undefined
          for (let step = 0; step < steps; step++) machine.step()
          return job
        })
        while (machine.step());
        const all = jobs.flatMap((job) => (job === undefined ? [] : [job]))
        const answers = machine.started.length + machine.shed.length
        return (
          all.length === arrivals.length &&
          answers === arrivals.length &&
          all.every(({ state }) => state !== 'waits' && state !== 'runs' && state !== 'new') &&
          machine.queue.queued('known') + machine.queue.queued('stranger') + machine.queue.running === 0
        )
      },
    ),
    { numRuns: 500 },
  )
})

t.test('of shares that always wait none gets more than another but for one job of each', async () => {
  const share = fc.record({ costMs: fc.integer({ min: 1, max: 400 }) })
  fc.assert(
    fc.property(
      fc.array(share, { minLength: 2, maxLength: 12 }),
      fc.integer({ min: 1, max: 4 }),
      (shares, workers) => {
        const machine = new Machine({ workers })
        const largestMs = Math.max(...shares.map(({ costMs }) => costMs))
        const send = (at: number): void => {
          machine.send({ lane: 'stranger', networks: v4(at) }, shares[at]?.costMs ?? 1)
        }
        // As many as run at a time, and more, so that none ever has nothing to start.
        for (let round = 0; round < 8; round++) shares.forEach((_, at) => send(at))
        const from = machine.started.length
        while (machine.nowMs < 40 * largestMs) {
          const before = machine.started.length
          machine.step()
          for (const job of machine.started.slice(before)) {
            send(shares.findIndex((_, at) => v4(at)[0] === widest(job)))
          }
        }
        const work = [...workBy(machine.started.slice(from), widest).values()]
        return work.length === shares.length && Math.max(...work) - Math.min(...work) <= 2 * largestMs
      },
    ),
    { numRuns: 100 },
  )
})

t.test('dear hashes do not crowd out cheap ones', async (t) => {
  const machine = new Machine({ workers: 2 })
  for (let at = 0; at < 200; at++) machine.send({ lane: 'stranger', networks: v4(1) }, 400)
  for (let at = 0; at < 200; at++) machine.send({ lane: 'stranger', networks: v4(2) }, 50)
  machine.runUntil(8000)
  const work = workBy(machine.started, widest)
  const [dear = 0, cheap = 0] = [work.get(v4(1)[0] ?? ''), work.get(v4(2)[0] ?? '')]
  t.ok(Math.abs(dear - cheap) <= 900, `${dear} ms of dear ones, ${cheap} ms of cheap ones`)
})

t.test(
  'a network that comes back with one job at a time does not get more than one that waits',
  async (t) => {
    const machine = new Machine({ workers: 1 })
    for (let at = 0; at < 100; at++) machine.send({ lane: 'stranger', networks: v4(1) }, 20)
    let returning = machine.send({ lane: 'stranger', networks: v4(2) }, 200)
    while (machine.started.length < 80) {
      machine.step()
      if (returning.state === 'done') returning = machine.send({ lane: 'stranger', networks: v4(2) }, 200)
    }
    const work = workBy(machine.started, widest)
    const [waiting = 0, coming = 0] = [work.get(v4(1)[0] ?? ''), work.get(v4(2)[0] ?? '')]
    t.ok(coming <= waiting + 200, `${coming} ms against ${waiting} ms`)
  },
)

t.test(
  'a /32 of IPv6 has one turn, however many /64 it tries from; in it each level takes turns',
  async (t) => {
    const machine = new Machine({ workers: 1 })
    machine.send({ lane: 'stranger' }, 10)
    for (let at = 0; at < 1000; at++) {
      machine.send(
        { lane: 'stranger', networks: networks(`2001:db8:${(at >> 4).toString(16)}:${at & 15}::1`) },
        10,
      )
    }
    for (let at = 0; at < 20; at++) machine.send({ lane: 'stranger', networks: v4(1) }, 10)
    // Another site, the same provider.
    for (let at = 0; at < 20; at++) {
      machine.send({ lane: 'stranger', networks: networks('2001:db8:ffff:1::1') }, 10)
    }
    for (let at = 0; at < 40; at++) machine.step()
    const others = machine.started.filter((job) => widest(job) === v4(1)[0])
    t.ok(others.length >= 19, `${others.length} of 40`)
    const inPrefix = machine.started.filter((job) => widest(job) === '2001:db8::/32')
    const sites = new Set(inPrefix.map(({ ticket }) => ticket.networks[1]))
    t.equal(sites.size, inPrefix.length, 'one of each /48')
    t.ok(sites.has('2001:db8:ffff::/48') || inPrefix.length < 65)
  },
)

t.test('a mailbox that is tried from a thousand networks leaves turns to others', async (t) => {
  const machine = new Machine({ workers: 1 })
  for (let at = 0; at < 1000; at++) {
    machine.send({ lane: 'stranger', networks: v4(at), mailbox: 'attacked@example.org' }, 10)
  }
  for (let at = 0; at < 5; at++) machine.send({ lane: 'stranger', networks: v4(2000) }, 10)
  // The three networks that came before it was contested, then the share of contested mailboxes and the other in turn.
  for (let at = 0; at < 14; at++) machine.step()
  t.equal(machine.started.filter((job) => widest(job) === v4(2000)[0]).length, 5)
})

t.test(
  'networks that try many mailboxes together have one turn more for it, not one for each mailbox',
  async (t) => {
    const machine = new Machine({ workers: 1 })
    for (let mailbox = 0; mailbox < 200; mailbox++) {
      for (let at = 0; at < 5; at++) {
        machine.send({ lane: 'stranger', networks: v4(at), mailbox: `user${mailbox}@example.net` }, 10)
      }
    }
    for (let at = 0; at < 30; at++) machine.send({ lane: 'stranger', networks: v4(2000) }, 10)
    const from = machine.started.length
    for (let at = 0; at < 70; at++) machine.step()
    const others = machine.started.slice(from).filter((job) => widest(job) === v4(2000)[0]).length
    t.ok(others >= 9, `${others} of 70 starts for one network beside five and the contested share`)
  },
)

for (const count of [1, 1000]) {
  t.test(`known users start at once beside 10,000 of strangers from ${count} networks`, async (t) => {
    const machine = new Machine({ workers: 2, maxQueuedPerLane: 40_000 })
    for (let at = 0; at < 10_000; at++) {
      machine.send({ lane: 'stranger', networks: v4(at % count) }, 50)
    }
    t.equal(machine.queue.queued('stranger'), 10_000 - 2)
    for (let at = 0; at < 200; at++) machine.step()
    const from = machine.started.length
    const known = machine.send({ lane: 'known', networks: v4(5000), deadlineMs: machine.nowMs + 8000 }, 50)
    while (known.state === 'waits') machine.step()
    t.equal(machine.started.length - from, 1, 'the next that starts')
    // The order of many known users: three for one stranger.
    const users = Array.from({ length: 60 }, (_, at) =>
      machine.send({ lane: 'known', networks: v4(6000 + at) }, 50),
    )
    const then = machine.started.length
    while (users.some(({ state }) => state === 'waits')) machine.step()
    const strangers = machine.started.slice(then).filter(({ ticket }) => ticket.lane === 'stranger').length
    t.ok(strangers >= 18 && strangers <= 21, `${strangers} strangers beside 60 known users`)
  })
}

t.test('strangers have a quarter of the work, not of the starts', async (t) => {
  const machine = new Machine({ workers: 1 })
  for (let at = 0; at < 50; at++) machine.send({ lane: 'stranger', networks: v4(1) }, 400)
  for (let at = 0; at < 400; at++) machine.send({ lane: 'known', networks: v4(2) }, 50)
  machine.runUntil(16_000)
  const work = workBy(machine.started, ({ ticket }) => ticket.lane)
  t.ok((work.get('stranger') ?? 0) <= 16_000 / 4 + 800)
  t.ok((work.get('stranger') ?? 0) >= 16_000 / 4 - 800)
})

t.test("strangers' long comparisons leave a worker free; short ones pass them", async (t) => {
  const machine = new Machine({ workers: 3 })
  const long = Array.from({ length: 5 }, (_, at) =>
    machine.send({ lane: 'stranger', networks: v4(at) }, 2500),
  )
  const short = machine.send({ lane: 'stranger', networks: v4(9) }, 50)
  t.same(
    [...long, short].map(({ state }) => state),
    ['runs', 'runs', 'waits', 'waits', 'waits', 'runs'],
  )
  machine.runUntil(2500)
  t.equal(long.filter(({ state }) => state === 'runs').length, 2)
  while (machine.step());
  t.ok(long.every(({ state }) => state === 'done'))
})

t.test(
  'a pair runs two at a time and never on all workers, has a line of eight, and the rest is refused',
  async (t) => {
    const pair: Partial<Ticket> = { networks: v4(1), mailbox: 'jane@example.org' }
    const machine = new Machine({ workers: 4 })
    const jobs = Array.from({ length: 12 }, () => machine.send(pair, 50))
    const states = jobs.map(({ state }) => state)
    t.same(states.slice(0, 3), ['runs', 'runs', 'waits'])
    t.same(states.slice(9), ['waits', 'pair_full', 'pair_full'])
    const small = new Machine({ workers: 2 })
    small.send(pair, 50)
    t.equal(small.send(pair, 50).state, 'waits')
    t.equal(
      small.send({ ...pair, networks: v4(2) }, 50).state,
      'runs',
      'from another network it is another pair',
    )
  },
)

t.test('what cannot be answered before its deadline is refused when it comes', async (t) => {
  const machine = new Machine({ workers: 2 })
  const sent = Array.from({ length: 1000 }, () =>
    machine.send({ lane: 'stranger', networks: v4(1), deadlineMs: 8000 }, 50),
  )
  const waiting = sent.filter(({ state }) => state === 'waits').length
  t.ok(waiting > 300 && waiting < 330, `${waiting} of 50 ms wait for two workers and 8 s`)
  t.ok(machine.shed.every(({ state }) => state === 'no_time'))
  while (machine.step());
  t.equal(sent.filter(({ state }) => state === 'overtaken').length, 0, 'and all that waited are answered')
  t.ok(machine.nowMs <= 8050)
})

t.test(
  'beside a network that has more than its share, another is let in, and what it overtakes is told soon',
  async (t) => {
    const machine = new Machine({ workers: 2 })
    const flood = Array.from({ length: 1000 }, () =>
      machine.send({ lane: 'stranger', networks: v4(1), deadlineMs: 8000 }, 50),
    )
    const other = Array.from({ length: 100 }, () =>
      machine.send({ lane: 'stranger', networks: v4(2), deadlineMs: 8000 }, 50),
    )
    t.ok(other.every(({ state }) => state === 'waits'))
    while (machine.step());
    t.ok(other.every(({ state }) => state === 'done'))
    const overtaken = flood.filter(({ state }) => state === 'overtaken').length
    t.ok(overtaken > 50 && overtaken < 130, `${overtaken} overtaken`)
  },
)

t.test(
  'after a flood from many networks a network that had no turn yet is before those that had',
  async (t) => {
    const machine = new Machine({ workers: 2 })
    const flood = (): void => {
      for (let at = 0; at < 1000; at++) {
        machine.send({ lane: 'stranger', networks: v4(at), deadlineMs: machine.nowMs + 8000 }, 50)
      }
    }
    for (let round = 0; round < 20; round++) {
      flood()
      machine.runUntil(machine.nowMs + 1000)
    }
    flood()
    const fresh = machine.send({ lane: 'stranger', networks: v4(5000), deadlineMs: machine.nowMs + 8000 }, 50)
    t.equal(fresh.state, 'waits')
  },
)

t.test('argon2 that waits for memory is not overtaken by argon2; others go on', async (t) => {
  const machine = new Machine({ workers: 8, memoryKib: 64 })
  const first = machine.send({ networks: v4(1) }, 50, 40)
  const large = machine.send({ networks: v4(2) }, 50, 40)
  const small = machine.send({ networks: v4(3) }, 50, 8)
  const bcrypt = machine.send({ networks: v4(4) }, 50)
  t.same(
    [first, large, small, bcrypt].map(({ state }) => state),
    ['runs', 'waits', 'waits', 'runs'],
  )
  machine.step()
  t.same(
    [large, small].map(({ state }) => state),
    ['runs', 'runs'],
  )
})
