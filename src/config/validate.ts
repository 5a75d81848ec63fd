/** The schema's verdict on a file's content, in words: `expected …, got …`, unknown keys with the nearest name. */
import { Type, type TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { Settings } from 'typebox/system'
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

/** The literal choices of a union, as JSON; undefined when it is something else. */
export function choicesOf(schema: TSchema): string[] | undefined {
  if (!Type.IsUnion(schema)) return undefined
  return schema.anyOf.map((member: TSchema) =>
    Type.IsLiteral(member) ? JSON.stringify(member.const) : 'something else',
  )
}

/** What a key takes, in words: `a whole number from 1 to 3600`. Also used by the generated reference. */
export function describeExpected(schema: TSchema): string {
  const choices = choicesOf(schema)
  if (choices !== undefined) return choices.join(choices.length === 2 ? ' or ' : ', ')
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

/** Fills in defaults and checks against the schema. Gives the typed value, or every problem. */
export function validate(parsed: unknown): { readonly value: Config } | { readonly problems: Problem[] } {
  const value = Value.Default(Config, parsed)
  if (Value.Check(Config, value)) return { value }

  const before = Settings.Get().maxErrors
  Settings.Set({ maxErrors: MAX_ERRORS })
  const errors = Value.Errors(Config, value)
  Settings.Set({ maxErrors: before })

  const problems = new Map<string, Problem>()
  const add = (problem: Problem) => {
    if (!problems.has(problem.key)) problems.set(problem.key, problem)
  }
  for (const error of errors) {
    const segments = segmentsOf(error.instancePath)
    // `boolean` repeats what `additionalProperties` says of the table around it.
    if (error.keyword === 'boolean') continue
    if (error.keyword === 'additionalProperties') {
      for (const name of error.params.additionalProperties) add(unknownKey(segments, name))
      continue
    }
    const missing = error.keyword === 'required' ? error.params.requiredProperties : [undefined]
    for (const name of missing) {
      const at = name === undefined ? segments : [...segments, name]
      const schema = schemaAt(at)
      const leaf = at.at(-1) ?? ''
      const got = valueAt(value, at)
      const hint =
        schema !== undefined && typeof got === 'string'
          ? didYouMean(JSON.stringify(got), choicesOf(schema) ?? [])
          : ''
      const expected = schema === undefined ? 'something else' : describeExpected(schema)
      add({ key: formatKey(at), text: `expected ${expected}, got ${describeGot(leaf, got)}${hint}` })
    }
  }
  return { problems: [...problems.values()] }
}
