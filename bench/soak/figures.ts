/** What came of the attempts, and how much memory the daemon had. */
import { readFile } from 'node:fs/promises'
import { faultOf, type Answer, type Attempt, type Kind } from './people.ts'

/** An answer or the close is due within this. */
export const DUE_MS = 8000
/** So many different faults are told in full. */
const MAX_TOLD = 20

interface KindFigures {
  ok: number
  refused: number
  later: number
  slowestMs: number
}

export interface Sample {
  readonly atMs: number
  readonly mib: number
}

export class Figures {
  readonly byKind = new Map<Kind, KindFigures>()
  readonly faults: string[] = []
  readonly memory: Sample[] = []
  /** How often somebody who logged in before was told "not now", by what was wrong at that time. */
  readonly putOff = new Map<string, number>()
  faultCount = 0
  attempts = 0

  /** `during`: the fault that was played when it began, if any; `where`: the same and when, for messages. */
  count(
    attempt: Attempt,
    answer: Answer,
    tookMs: number,
    { during, where }: { readonly during: string; readonly where: string },
  ): void {
    this.attempts += 1
    const figures = this.byKind.get(attempt.kind) ?? { ok: 0, refused: 0, later: 0, slowestMs: 0 }
    this.byKind.set(attempt.kind, figures)
    figures[answer] += 1
    figures.slowestMs = Math.max(figures.slowestMs, tookMs)
    if (attempt.kind === 'known' && answer === 'later')
      this.putOff.set(during, (this.putOff.get(during) ?? 0) + 1)
    const fault = faultOf(attempt, answer)
    if (fault !== undefined) this.tell(`${fault}: ${attempt.username}, ${where}`)
    if (tookMs > DUE_MS) this.tell(`answered after ${Math.round(tookMs)} ms: ${attempt.username}, ${where}`)
  }

  tell(fault: string): void {
    this.faultCount += 1
    if (this.faults.length < MAX_TOLD) this.faults.push(fault)
  }

  async sampleMemory(pid: number, atMs: number): Promise<void> {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    this.memory.push({ atMs, mib: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024 })
  }
}

/** Medians of the second and the last quarter of the samples: what grows without end shows between them. */
export function trend(samples: readonly Sample[]): { readonly earlyMib: number; readonly lateMib: number } {
  const quarter = Math.floor(samples.length / 4)
  return {
    earlyMib: median(samples.slice(quarter, 2 * quarter)),
    lateMib: median(samples.slice(samples.length - quarter)),
  }
}

function median(samples: readonly Sample[]): number {
  const sorted = samples.map(({ mib }) => mib).toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
