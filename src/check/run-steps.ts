/** Runs steps one after the other: each timed and bounded, skipped where one that it builds on did not come off. */
import type { Clock } from '../clock.ts'
import { EXIT, toMailpassdError } from '../errors.ts'
import { asPrinted, found, type Finding, type Step } from './step.ts'

export interface PlannedStep {
  readonly name: string
  /** Steps without which this one means nothing; those that are not in the plan do not count. */
  readonly needs?: readonly string[]
  /** What to do where it throws or does not come to an end. */
  readonly hint?: string
  /** Looks and says what it found; several findings become several steps of this name. */
  readonly run: () => Promise<Finding | readonly Finding[]>
}

export interface StepLimits {
  readonly clock: Clock
  /** A step that takes longer has failed. */
  readonly stepMs: number
  /** Monotonic time after which no step begins, and a running one has failed. */
  readonly endsAtMs: number
}

/** The steps in their order, one or more for each of the plan. Never throws. */
export async function runSteps(plan: readonly PlannedStep[], limits: StepLimits): Promise<Step[]> {
  const steps: Step[] = []
  const missed = new Set<string>()
  for (const planned of plan) {
    const missing = planned.needs?.find((name) => missed.has(name))
    const findings =
      missing === undefined
        ? await runOne(planned, limits)
        : [found.skipped(`not tried, because ${missing} did not come off`)]
    if (findings.some(({ result }) => result === 'failed' || result === 'skipped')) missed.add(planned.name)
    for (const finding of findings) steps.push({ name: planned.name, ...asPrinted(finding) })
  }
  return steps
}

type Timed = Finding & { readonly ms: number }

async function runOne({ hint, run }: PlannedStep, limits: StepLimits): Promise<readonly Timed[]> {
  const { clock, stepMs, endsAtMs } = limits
  const startedAtMs = clock.monotonicMs()
  const limitMs = Math.min(stepMs, endsAtMs - startedAtMs)
  const timed = (findings: readonly Finding[]): Timed[] => {
    const ms = Math.round(clock.monotonicMs() - startedAtMs)
    return findings.map((finding) => ({ ...finding, ms }))
  }
  if (limitMs <= 0)
    return timed([found.failed('not tried: the time for the whole test is over', hint, EXIT.unavailable)])

  const late = Promise.withResolvers<Finding>()
  const cancel = clock.after(limitMs, () =>
    late.resolve(found.failed(`no answer within ${Math.round(limitMs / 1000)} s`, hint, EXIT.unavailable)),
  )
  try {
    return timed([await Promise.race([run(), late.promise])].flat())
  } catch (error) {
    return timed([found.failedBy(toMailpassdError(error), hint)])
  } finally {
    cancel()
  }
}
