/** conf/mailpassd.example.toml: every key of the schema as a comment, with its default or an example. */
import { Type, type TSchema } from 'typebox'
import { Config } from '../src/config/schema.ts'
import { describeExpected } from '../src/config/validate.ts'

const WIDTH = 100

const HEAD = `# mailpassd configuration. Made by \`npm run generate\` from src/config: every key, in its section.
#
#   #key = value     the default; take the # away to change it
#   #? key = value   an example of a key that has no default
#
# Files are relative to this file's directory, UNIX sockets to the data directory. \`mailpassd check --config FILE\` tells
# all that is wrong at once. docs/configuration.md has the same as tables.
`

/** Text as comment lines of at most WIDTH characters. */
function comment(text: string): string {
  const lines: string[] = []
  let line = '#'
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = '#'
    }
    line += ` ${word}`
  }
  return [...lines, line].map((each) => `${each}\n`).join('')
}

/** A value as TOML writes it; tables inline. */
export function tomlValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const pairs = Object.entries(value).map(([key, inner]) => `${key} = ${tomlValue(inner)}`)
    return `{ ${pairs.join(', ')} }`
  }
  // A basic string of TOML takes JSON's escapes.
  return JSON.stringify(value)
}

function keyword(schema: TSchema, name: string): unknown {
  return Reflect.get(schema, name)
}

/** The description, with the range or the choices that a value has. */
function meaning(schema: TSchema): string {
  const description = keyword(schema, 'description')
  const text = typeof description === 'string' ? description : ''
  if (Type.IsUnion(schema)) return `${text} Takes ${describeExpected(schema)}.`
  const [least, most] = [keyword(schema, 'minimum'), keyword(schema, 'maximum')]
  return typeof least === 'number' && typeof most === 'number' ? `${text} (${least} to ${most})` : text
}

function exampleOf(schema: TSchema): unknown {
  const examples = keyword(schema, 'examples')
  return Array.isArray(examples) ? examples[0] : undefined
}

function keyLines(name: string, schema: TSchema): string {
  const byDefault = keyword(schema, 'default')
  const line =
    byDefault === undefined
      ? `#? ${name} = ${tomlValue(exampleOf(schema) ?? '')}\n`
      : `#${name} = ${tomlValue(byDefault)}\n`
  return `${comment(meaning(schema))}${line}`
}

/** Keys first, then the tables and lists of tables below them, as TOML wants it. */
function tableLines(path: string, schema: TSchema, isList: boolean): string {
  if (!Type.IsObject(schema)) return ''
  const entries = Object.entries(schema.properties)
  const isTable = (inner: TSchema) =>
    Type.IsObject(inner) || (Type.IsArray(inner) && Type.IsObject(inner.items))
  const keys = entries.filter(([, inner]) => !isTable(inner)).map(([name, inner]) => keyLines(name, inner))
  const head = isList ? `#? [[${path}]]\n` : `[${path}]\n`
  const below = entries
    .filter(([, inner]) => isTable(inner))
    .map(([name, inner]) => section(`${path}.${name}`, inner))
  return `${head}${keys.map((text) => `\n${isList ? asExample(text) : text}`).join('')}${below.join('')}`
}

/** Inside of a list that is not there, no key has a default that could be taken. */
function asExample(text: string): string {
  return text.replaceAll(/^#(?=\w)/gm, '#? ')
}

function section(path: string, schema: TSchema): string {
  const title = comment(meaning(schema))
  if (Type.IsArray(schema)) {
    const name = path.slice(path.lastIndexOf('.') + 1)
    const byDefault = comment(`By default: ${name} = ${tomlValue(keyword(schema, 'default'))}`)
    return `\n\n${title}${byDefault}${tableLines(path, schema.items, true)}`
  }
  return `\n\n${title}${tableLines(path, schema, false)}`
}

export function exampleToml(): string {
  const sections = Object.entries(Config.properties).map(([name, schema]) => section(name, schema))
  return `${HEAD}${sections.join('')}`
}
