/** `mailpassd check --live` for tests: with a configuration made of parts. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { checkBy } from '../../src/cli/check.ts'
import { systemClock, type Clock } from '../../src/clock.ts'
import { recordedIo } from '../cli/recorded-io.ts'

type Value = string | number | boolean | Section | readonly Section[]
interface Section {
  readonly [key: string]: Value
}

export interface LiveWish {
  /** Keys of [directory] beside `kind`, which is keycloak; absent: a realm file. */
  readonly directory: Section | undefined
  readonly store?: Section
  readonly address?: string
  /** Runs it once more, as text. */
  readonly asText?: boolean
  readonly clock?: Clock
  /** Without one an empty one is made. */
  readonly dataDir?: string
  readonly env?: Readonly<Record<string, string>>
}

export interface LiveStep {
  readonly name: string
  readonly result: string
  readonly detail: string
  readonly hint?: string
}

export interface LiveReport {
  readonly exitCode: number
  readonly steps: readonly LiveStep[]
  readonly json: unknown
  readonly text: string
  /** All that came out. */
  readonly all: string
}

function toml(value: Value): string {
  if (typeof value !== 'object') return JSON.stringify(value)
  if (isList(value)) return `[${value.map(toml).join(', ')}]`
  return `{${Object.entries(value)
    .map(([key, inner]) => `${key} = ${toml(inner)}`)
    .join(', ')}}`
}

function isList(value: Section | readonly Section[]): value is readonly Section[] {
  return Array.isArray(value)
}

function section(name: string, keys: Section | undefined): string {
  if (keys === undefined) return ''
  return `[${name}]\n${Object.entries(keys)
    .map(([key, value]) => `${key} = ${toml(value)}\n`)
    .join('')}`
}

/** Runs it. */
export async function runLive(t: Test, wish: LiveWish): Promise<LiveReport> {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-live-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const config = join(dir, 'mailpassd.toml')
  const directory = wish.directory === undefined ? undefined : { kind: 'keycloak', ...wish.directory }
  await writeFile(config, section('directory', directory) + section('store', wish.store), { mode: 0o600 })
  const command = checkBy(wish.clock ?? systemClock)
  const given = ['--live', '--config', config, '--data-dir', wish.dataDir ?? join(dir, 'data')]
  if (wish.address !== undefined) given.push('--address', wish.address)

  // No PATH: what is installed on this machine is left out.
  const env = wish.env ?? { PATH: '/nonexistent' }
  const asJson = recordedIo('', env)
  const exitCode = await command.run([...given, '--json'], asJson)
  const json: unknown = JSON.parse(asJson.seen.out)
  const steps = stepsOf(json)
  const asText = recordedIo('', env)
  if (wish.asText === true) {
    t.equal(await command.run(given, asText), exitCode, 'the same exit code')
    for (const { name } of steps) t.match(asText.seen.out, ` ${name} `, `the text has ${name}`)
  }
  const all = asText.seen.out + asText.seen.err + asJson.seen.out + asJson.seen.err
  return { exitCode, steps, json, text: asText.seen.out, all }
}

/** The steps of an answer in JSON. */
export function stepsOf(json: unknown): LiveStep[] {
  const steps: unknown = Object(json).steps
  if (!Array.isArray(steps)) throw new Error('no steps')
  return steps.map((step) => {
    const { name, result, detail, hint } = Object(step)
    return {
      name: String(name),
      result: String(result),
      detail: String(detail),
      ...(hint === undefined ? {} : { hint: String(hint) }),
    }
  })
}

/** The one step of this name. */
export function stepOf({ steps }: Pick<LiveReport, 'steps'>, name: string): LiveStep {
  const [first, ...more] = steps.filter((step) => step.name === name)
  if (first === undefined || more.length > 0)
    throw new Error(`not one step ${name}: ${JSON.stringify(steps.map((step) => step.name))}`)
  return first
}
