/** The schema's verdict on a file's content, in words: `expected …, got …`, unknown keys with the nearest name. */
import { Type, type TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { Settings } from 'typebox/system'
import type { TValidationError } from 'typebox/error'
import { Config } from './schema.ts'
import { didYouMean } from './nearest.ts'
import { describeGot, type Problem } from './problem.ts'

/** typebox stops after 8 errors by default, but all problems are told at once; a hostile file is bounded here. */
const MAX_ERRORS = 2000

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

/** The steps of a JSON pointer (RFC 6901 §3). */
function segmentsOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** `tokens[0].name` from its steps; a key that TOML would quote is quoted. */
function formatKey(segments: readonly string[]): string {
  let key = ''
  for (const segment of segments) {
    if (/^\d+$/.test(segment)) key += `[${segment}]`
    else {
      const shown = /^[A-Za-z0-9_-]{1,64}$/.test(segment) ? segment : JSON.stringify(segment.slice(0, 64))
      key += key === '' ? shown : `.${shown}`
    }
  }
  return key
}

function schemaAt(segments: readonly string[]): TSchema | undefined {
  let schema: TSchema | undefined = Config
  for (const segment of segments) {
    if (Type.IsObject(schema)) schema = schema.properties[segment]
    else if (Type.IsArray(schema)) schema = schema.items
    else return undefined
  }
  return schema
}

function valueAt(value: unknown, segments: readonly string[]): unknown {
  let at = value
  for (const segment of segments) {
    if (Array.isArray(at)) at = at[Number(segment)]
    else if (isTable(at)) at = at[segment]
    else return undefined
  }
  return at
}

/** ` from 1 to 9`, ` of at most 64 characters`, or nothing, from two keywords of the schema. */
function range(schema: TSchema, keywords: readonly [string, string], unit: string): string {
  const [least, most]: unknown[] = keywords.map((keyword) => Reflect.get(schema, keyword))
  const [of, suffix] = unit === '' ? [' from', ''] : [' of', ` ${unit}`]
  if (typeof least === 'number' && typeof most === 'number') return `${of} ${least} to ${most}${suffix}`
  if (typeof least === 'number') return ` of at least ${least}${suffix}`
  if (typeof most === 'number') return ` of at most ${most}${suffix}`
  return ''
}

/** The texts that a union of literals allows; undefined when the schema is something else. */
export function choicesOf(schema: TSchema): string[] | undefined {
  if (!Type.IsUnion(schema)) return undefined
  return schema.anyOf.map((member: TSchema) => (Type.IsLiteral(member) ? String(member.const) : ''))
}

/** What a key takes, in words: `a whole number from 1 to 3600`. Also used by the generated reference. */
export function describeExpected(schema: TSchema): string {
  const choices = choicesOf(schema)
  if (choices !== undefined) {
    const quoted = choices.map((choice) => JSON.stringify(choice))
    return quoted.length === 2 ? quoted.join(' or ') : `one of ${quoted.join(', ')}`
  }
  if ('expected' in schema && typeof schema.expected === 'string') return schema.expected
  if (Type.IsInteger(schema)) return `a whole number${range(schema, ['minimum', 'maximum'], '')}`
  if (Type.IsBoolean(schema)) return 'true or false'
  if (Type.IsString(schema)) return `text${range(schema, ['minLength', 'maxLength'], 'characters')}`
  if (Type.IsArray(schema)) return `a list${range(schema, ['minItems', 'maxItems'], 'entries')}`
  return 'a table'
}

/** Every `section.key` of the schema, list entries by `[0]` left out: to find a key put into the wrong section. */
function allKeys(schema: TSchema, prefix: string): string[] {
  if (!Type.IsObject(schema)) return []
  return Object.entries(schema.properties).flatMap(([name, child]) => {
    const key = prefix === '' ? name : `${prefix}.${name}`
    return [key, ...allKeys(child, key)]
  })
}

function unknownKey(segments: readonly string[], name: string): Problem {
  const parent = schemaAt(segments)
  const known = Type.IsObject(parent) ? Object.keys(parent.properties) : []
  let hint = didYouMean(name, known)
  if (hint === '') {
    const elsewhere = allKeys(Config, '').find((key) => key.endsWith(`.${name}`))
    if (elsewhere !== undefined) hint = ` (did you mean ${elsewhere}?)`
  }
  return { key: formatKey([...segments, name]), text: `unknown key${hint}` }
}

interface Fault {
  /** Steps from the top of the file to what is wrong. */
  readonly segments: readonly string[]
  readonly problem: Problem
}

function listErrors(value: unknown): TValidationError[] {
  const before = Settings.Get().maxErrors
  Settings.Set({ maxErrors: MAX_ERRORS })
  try {
    return Value.Errors(Config, value)
  } finally {
    Settings.Set({ maxErrors: before })
  }
}

function wrongValue(value: unknown, segments: readonly string[]): Fault {
  const schema = schemaAt(segments)
  const got = valueAt(value, segments)
  const expected = schema === undefined ? 'something else' : describeExpected(schema)
  const choices = schema === undefined ? undefined : choicesOf(schema)
  const hint = typeof got === 'string' && choices !== undefined ? didYouMean(got, choices) : ''
  const text = `expected ${expected}, got ${describeGot(segments.at(-1) ?? '', got)}${hint}`
  return { segments, problem: { key: formatKey(segments), text } }
}

function faultsOf(value: unknown): Fault[] {
  const faults = new Map<string, Fault>()
  for (const error of listErrors(value)) {
    const segments = segmentsOf(error.instancePath)
    let found: Fault[]
    switch (error.keyword) {
      // Repeats what `additionalProperties` says of the table around it.
      case 'boolean':
        found = []
        break
      case 'additionalProperties':
        found = error.params.additionalProperties.map((name) => ({
          segments: [...segments, name],
          problem: unknownKey(segments, name),
        }))
        break
      case 'required':
        found = error.params.requiredProperties.map((name) => wrongValue(value, [...segments, name]))
        break
      default:
        found = [wrongValue(value, segments)]
    }
    for (const fault of found) if (!faults.has(fault.problem.key)) faults.set(fault.problem.key, fault)
  }
  return [...faults.values()]
}

function remove(value: unknown, segments: readonly string[]): void {
  const parent = valueAt(value, segments.slice(0, -1))
  const leaf = segments.at(-1) ?? ''
  if (Array.isArray(parent)) Reflect.set(parent, Number(leaf), undefined)
  else if (isTable(parent)) Reflect.deleteProperty(parent, leaf)
}

/**
 * The value without what is wrong in it, so that the rules over several keys can be checked all the same: each
 * fault falls back to its default, or else the whole list around it does. Undefined where that does not help.
 */
function withoutFaults(value: unknown, faults: readonly Fault[]): Config | undefined {
  for (const { segments } of faults) remove(value, segments)
  for (const { segments } of faultsOf(Value.Default(Config, value))) {
    const list = segments.findIndex((segment) => /^\d+$/.test(segment))
    if (list > 0) remove(value, segments.slice(0, list))
  }
  const repaired = Value.Default(Config, value)
  return Value.Check(Config, repaired) ? repaired : undefined
}

export interface Validated {
  /** Right where there are no problems; else what is left without them, if anything. */
  readonly value: Config | undefined
  readonly problems: readonly Problem[]
}

/** Fills in defaults and checks against the schema; takes `parsed` for itself. */
export function validate(parsed: unknown): Validated {
  const value = Value.Default(Config, parsed)
  if (Value.Check(Config, value)) return { value, problems: [] }
  const faults = faultsOf(value)
  return { value: withoutFaults(value, faults), problems: faults.map(({ problem }) => problem) }
}
