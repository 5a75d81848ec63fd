/**
 * What is in a package: completes npm's bill of materials (CycloneDX) to what is really shipped, Node with its libraries
 * included, and collects the licences.
 *
 *   node scripts/bill-of-materials.ts STAGE SBOM
 *
 * STAGE is the directory that is packed, SBOM what `npm sbom` said of it; STAGE/sbom.cdx.json and
 * STAGE/THIRD-PARTY-NOTICES are written. Fails when a package is shipped that the bill does not name, or one that is for
 * development. SOURCE_DATE_EPOCH is the bill's time.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isRecord } from '../test/e2e/json.ts'

type Json = Readonly<Record<string, unknown>>

interface Shipped {
  readonly name: string
  readonly version: string
  readonly license: string
  readonly path: string
}

/** Libraries inside of Node that have vulnerabilities of their own; `process.versions` says which. */
const INSIDE_NODE = [
  'ada',
  'ares',
  'brotli',
  'llhttp',
  'nghttp2',
  'openssl',
  'simdjson',
  'sqlite',
  'undici',
  'uv',
  'v8',
  'zlib',
  'zstd',
]

function fail(text: string): never {
  console.error(`bill-of-materials: ${text}`)
  process.exit(1)
}

function readJson(path: string): Json {
  const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
  return isRecord(value) ? value : fail(`${path} is no object`)
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Packages below a node_modules directory, those inside of packages too. */
function packagesIn(modules: string): Shipped[] {
  return entries(modules).flatMap((entry) => {
    const path = join(modules, entry)
    if (entry.startsWith('@') && !entry.includes('/')) return scoped(path)
    return packageAt(path)
  })
}

function scoped(scope: string): Shipped[] {
  return entries(scope).flatMap((entry) => packageAt(join(scope, entry)))
}

function packageAt(path: string): Shipped[] {
  const { name, version, license } = readJson(join(path, 'package.json'))
  const inside = entries(path).includes('node_modules') ? packagesIn(join(path, 'node_modules')) : []
  return [{ name: textOf(name), version: textOf(version), license: textOf(license), path }, ...inside]
}

function entries(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
}

const idOf = ({ name, version }: { readonly name: unknown; readonly version: unknown }) =>
  `${textOf(name)}@${textOf(version)}`

function checkNoDevelopment(stage: string): void {
  const { packages } = readJson(join(stage, 'package-lock.json'))
  const dev = Object.entries(isRecord(packages) ? packages : {}).filter(
    ([, entry]) => isRecord(entry) && entry['dev'] === true,
  )
  const shipped = new Set(packagesIn(join(stage, 'node_modules')).map(({ path }) => path))
  const found = dev.map(([path]) => path).filter((path) => shipped.has(join(stage, path)))
  if (found.length > 0) fail(`packages for development are in it: ${found.join(', ')}`)
}

/** Node itself: npm's bill names the package that brings it. */
function nodeComponent(): Json {
  const version = process.versions.node
  return {
    'bom-ref': `nodejs@${version}`,
    type: 'application',
    name: 'nodejs',
    version,
    scope: 'required',
    purl: `pkg:github/nodejs/node@v${version}`,
    cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
    licenses: [{ license: { id: 'MIT' } }],
    components: INSIDE_NODE.flatMap((name) => {
      const found = process.versions[name]
      return found === undefined
        ? []
        : [{ 'bom-ref': `nodejs/${name}@${found}`, type: 'library', name, version: found }]
    }),
  }
}

function completeBill(bill: Json, shipped: readonly Shipped[], version: string): Json {
  const listed = Array.isArray(bill['components']) ? bill['components'].filter(isRecord) : []
  const byId = new Map(
    listed.map((component) => [idOf({ name: component['name'], version: component['version'] }), component]),
  )
  const missing = shipped.filter((one) => !byId.has(idOf(one)))
  if (missing.length > 0) fail(`not in npm's bill of materials: ${missing.map(idOf).join(', ')}`)
  const kept = [...new Set(shipped.map(idOf))].sort().map((id) => byId.get(id))
  const own = `mailpassd@${version}`
  const refs = new Set([own, ...kept.map((component) => textOf(component?.['bom-ref']))])
  const dependencies = (Array.isArray(bill['dependencies']) ? bill['dependencies'] : [])
    .filter(isRecord)
    .filter(({ ref }) => refs.has(textOf(ref)))
    .map(({ ref, dependsOn }) => ({
      ref,
      dependsOn: (Array.isArray(dependsOn) ? dependsOn : []).filter((other) => refs.has(textOf(other))),
    }))
  const metadata = isRecord(bill['metadata']) ? bill['metadata'] : {}
  const component = isRecord(metadata['component']) ? metadata['component'] : {}
  const components = [...kept, nodeComponent()]
  const hash = createHash('sha256').update(JSON.stringify(components)).digest('hex')
  return {
    ...bill,
    // A random one would make each build another; RFC 9562 §5.8 leaves version 8 to whoever makes it.
    serialNumber: `urn:uuid:${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`,
    metadata: {
      ...metadata,
      timestamp: new Date(Number(process.env['SOURCE_DATE_EPOCH'] ?? 0) * 1000).toISOString(),
      component: { ...component, name: 'mailpassd', type: 'application' },
    },
    components,
    dependencies,
  }
}

/** The text of a package's licence, or where its author has put it. */
function licenceOf({ path, license }: Shipped): string {
  const files = readdirSync(path)
    .filter((file) => /^(?:licen[cs]e|copying|notice)/i.test(file))
    .sort()
  if (files.length > 0) return files.map((file) => readFileSync(join(path, file), 'utf8').trim()).join('\n\n')
  const { author, homepage, repository } = readJson(join(path, 'package.json'))
  const by = isRecord(author) ? textOf(author['name']) : textOf(author)
  const from = isRecord(repository) ? textOf(repository['url']) : textOf(repository)
  const lines = [
    `Licence: ${license}; the package has no file with its text.`,
    by && `Author: ${by}`,
    from || textOf(homepage),
  ]
  return lines.filter((line) => line !== '').join('\n')
}

function notices(shipped: readonly Shipped[]): string {
  const line = '='.repeat(80)
  const parts = [...new Map(shipped.map((one) => [idOf(one), one]))]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([id, one]) =>
        `${line}\n${id}${one.name === 'node' ? ' (Node.js itself)' : ''} (${one.license})\n${line}\n\n${licenceOf(one)}\n`,
    )
  return `mailpassd is under the Apache License 2.0 (LICENSE). It is shipped together with these, each under its own licence.\n\n${parts.join('\n')}`
}

const [stage, billPath] = process.argv.slice(2)
if (stage === undefined || billPath === undefined) fail('which directory, and which bill?')
const shipped = packagesIn(join(stage, 'node_modules'))
checkNoDevelopment(stage)
const bill = completeBill(
  readJson(billPath),
  shipped,
  textOf(readJson(join(stage, 'package.json'))['version']),
)
writeFileSync(join(stage, 'sbom.cdx.json'), `${JSON.stringify(bill, undefined, 2)}\n`)
writeFileSync(join(stage, 'THIRD-PARTY-NOTICES'), notices(shipped))
const without = shipped.filter((one) => licenceOf(one).startsWith('Licence: ')).map(idOf)
console.log(`bill-of-materials: ${shipped.length} packages; no licence text: ${without.join(', ') || 'none'}`)
