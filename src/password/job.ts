/** A comparison on its way through the pool: what is compared, and whom it answers. */
import type { HashAnswer } from '../credential/hash-verifier.ts'
import type { Ticket } from '../policy/ticket.ts'
import type { Slow } from './comparison.ts'
import { Waiting, type Shed } from './waiting.ts'

/** Answers whoever asked; `run` and `shed` are the pool's. */
export class Job extends Waiting {
  readonly comparison: Slow
  /** Our own copy, wiped after the comparison: the caller may wipe its secret at any time. */
  readonly password: Buffer
  readonly answer: (answer: HashAnswer) => void
  readonly #pool: { run(job: Job): void; shed(job: Job, why: Shed): void }

  constructor(
    asked: Pick<Job, 'comparison' | 'password' | 'answer' | 'ticket' | 'costMs'>,
    pool: { run(job: Job): void; shed(job: Job, why: Shed): void },
  ) {
    super(asked.ticket, asked.costMs, 'memoryKib' in asked.comparison ? asked.comparison.memoryKib : 0)
    this.comparison = asked.comparison
    this.password = asked.password
    this.answer = asked.answer
    this.#pool = pool
  }

  start(): void {
    this.#pool.run(this)
  }

  refuse(why: Shed): void {
    this.#pool.shed(this, why)
  }
}

/** Notes that a comparison was begun, or came to nothing: policy asks it of a login that is cut short. */
export function countComparison({ attempt }: Ticket, by: 1 | -1): void {
  if (attempt !== undefined) attempt.comparisons += by
}
