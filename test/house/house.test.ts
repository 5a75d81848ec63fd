/**
 * The drawing of the house, held against the source: who may import whom, which rooms are pure, who builds adapters;
 * and the rules on files that no linter knows.
 */
import t from 'tap'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { importsOf, type Import } from './imports.ts'

const ROOT = join(import.meta.dirname, '../..')
const SRC = join(ROOT, 'src')

/** Files below a directory of the repository, as paths below it. */
function filesBelow(directory: string): string[] {
  const path = join(ROOT, directory)
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return []
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
}

const sources = filesBelow('src').filter((file) => file.endsWith('.ts'))
const imports = sources.flatMap((file) => importsOf(SRC, file))
const values = imports.filter(({ isType }) => !isType)
const folderOf = (file: string) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : file)
const show = ({ from, to }: Import) => `${from} imports ${to}`

/** The vocabulary: anybody may use it. */
const WORDS = new Set([
  'clock.ts',
  'errors.ts',
  'secret.ts',
  'soon.ts',
  'sweep.ts',
  'telemetry/logger.ts',
  'time-text.ts',
  'timetable.ts',
  ...['address', 'outcome', 'request', 'service', 'why'].map((word) => `login/${word}.ts`),
])

/** Folder -> folders whose values it may use beside its own. Lower ones never know higher ones. */
const MAY_USE: Readonly<Record<string, readonly string[]>> = {
  account: [],
  alarm: [],
  // Judges what its ports say; adapters and store implement them.
  check: ['account', 'config', 'credential', 'dovecot', 'login-log', 'mailcow', 'password'],
  config: [],
  credential: ['account', 'policy'],
  directory: [],
  door: ['config', 'credential', 'explain', 'incident', 'login', 'login-log', 'policy', 'sasl', 'telemetry'],
  dovecot: ['outbox'],
  explain: ['account', 'credential', 'login', 'login-log', 'mailbox', 'policy'],
  incident: ['outbox'],
  login: ['account', 'credential', 'mailbox', 'policy'],
  'login-log': ['policy'],
  // How mailcow writes what a plan says.
  mailbox: ['account', 'mailcow'],
  // Passes and the snapshot: they fill the record book.
  mirror: ['account', 'directory'],
  mailcow: ['config', 'outbox', 'password'],
  outbox: [],
  password: [],
  policy: [],
  sasl: [],
  // How a row's JSON is read, and what work for others is called, is told by the room that uses it.
  store: ['account', 'mailbox', 'mailcow', 'outbox'],
  telemetry: [],
  'embedded-default.ts': ['directory', 'password'],
  'cli.ts': ['cli'],
}

/** They wire everything. */
const ROOTS = new Set(['cli', 'daemon.ts', 'house.ts'])

t.test('values are imported from lower rooms only', async (t) => {
  const folders = new Set(sources.map(folderOf))
  for (const folder of folders)
    t.ok(ROOTS.has(folder) || WORDS.has(folder) || folder in MAY_USE, `${folder} is in the drawing`)
  const wrong = values.filter(({ from, to, isPackage }) => {
    const [user, used] = [folderOf(from), folderOf(to)]
    if (isPackage || user === used || ROOTS.has(user) || WORDS.has(to)) return false
    return !(MAY_USE[user]?.includes(used) ?? false)
  })
  t.same(wrong.map(show), [])
})

t.test('adapters and doors are known, even by type, only to whoever wires them', async (t) => {
  const wrong = imports.filter(({ from, to }) => {
    const [user, used] = [folderOf(from), folderOf(to)]
    if (user === used || ROOTS.has(user)) return false
    // The port and what it speaks of are in the adapters' folder.
    // What works on the port alone, whatever implements it.
    if (user === 'mirror' && (to === 'directory/pass.ts' || to === 'directory/pace.ts')) return false

    if (['directory', 'changes', 'user'].some((port) => to === `directory/${port}.ts`)) return false
    if (user === 'embedded-default.ts') return false
    return (
      used === 'store' || used === 'door' || used === 'directory' || (ROOTS.has(used) && user !== 'cli.ts')
    )
  })
  t.same(wrong.map(show), [])
})

t.test('pure rooms touch neither network nor files nor frameworks', async (t) => {
  const pure = new Set(['account', 'credential', 'incident', 'login', 'mailbox', 'outbox', 'policy', 'sasl'])
  const harmless = new Set(['lru-cache', 'node:buffer', 'node:crypto', 'node:url'])
  const wrong = values.filter(
    ({ from, to, isPackage }) => isPackage && pure.has(folderOf(from)) && !harmless.has(to),
  )
  t.same(wrong.map(show), [])
})

t.test('each foreign package lives in one place', async (t) => {
  const places: Readonly<Record<string, RegExp>> = {
    fastify: /^door\/http\//,
    kysely: /^store\//,
    mysql2: /^store\/dialect\//,
    'node:sqlite': /^store\/dialect\//,
    undici: /^directory\/keycloak\//,
    ioredis: /^mailcow\//,
    pino: /^telemetry\//,
    '@prometheus-io/client': /^telemetry\//,
    'smol-toml': /^config\//,
    bcryptjs: /^password\//,
    '@node-rs/bcrypt': /^password\//,
    'unix-crypt-td-js': /^password\//,
    'close-with-grace': /^cli\//,
  }
  const wrong = imports.filter(({ from, to }) => places[to]?.test(from) === false)
  t.same(wrong.map(show), [])
})

t.test('no file imports itself by way of others', async (t) => {
  const next = new Map<string, string[]>()
  for (const { from, to, isPackage } of values)
    if (!isPackage) next.set(from, [...(next.get(from) ?? []), to])
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' > '))
    if (done.has(file) || path.includes(file)) return
    for (const to of next.get(file) ?? []) visit(to, [...path, file])
    done.add(file)
  }
  for (const file of next.keys()) visit(file, [])
  t.same(cycles, [])
})

t.test('a source file says what it is for, and is short or says why not', async (t) => {
  for (const file of [
    ...sources.map((file) => `src/${file}`),
    ...filesBelow('scripts').map((file) => `scripts/${file}`),
  ]) {
    if (!file.endsWith('.ts')) continue
    const text = readFileSync(join(ROOT, file), 'utf8')
    t.match(text, /^(?:#!.*\n)?\/\*\*/, `${file} begins with what it is for`)
    const header = text.slice(0, text.indexOf('*/'))
    const lines = text.split('\n').length
    if (lines > 300) t.match(header, /300 lines/, `${file} has ${lines} lines and says why`)
  }
})

t.test('files speak of the project alone, and of nothing around it', async (t) => {
  const folders = ['src', 'test', 'scripts', 'bench', 'conf', 'docs', 'systemd']
  const top = [
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'CHANGELOG.md',
    'package.json',
    'mailpassd',
    'Dockerfile',
  ]
  const files = [
    ...folders.flatMap((folder) => filesBelow(folder).map((file) => `${folder}/${file}`)),
    ...top,
  ]
  const rules: [what: string, where: RegExp, pattern: RegExp][] = [
    ['a path of somebody’s machine', /./, /(?<![\w.])\/(?:home|Users|work)\/[a-z]+/],
    // Written so that they do not find themselves.
    ['an unchecked any', /\.ts$/, /\bas[ ]any\b|@ts-[i]gnore|@ts-[n]ocheck/],
    [
      'a test that is skipped without reason, or left over',
      /\.test\.ts$/,
      /\bt\.(?:skip|todo|only)\(|\bskip[:] true/,
    ],
    ['a default export', /^(?:src|scripts|test)\/.*\.ts$/, /^export[ ]default/m],
  ]
  const findings: string[] = []
  for (const file of files) {
    const text =
      statSync(join(ROOT, file), { throwIfNoEntry: false }) === undefined
        ? ''
        : readFileSync(join(ROOT, file), 'utf8')
    for (const [what, where, pattern] of rules)
      if (where.test(file)) {
        const found = pattern.exec(text)?.[0]
        if (found !== undefined) findings.push(`${file}: ${what}: ${found}`)
      }
  }
  t.same(findings, [])
})

/** As readers of Markdown make it from a heading: lower case, without punctuation, blanks as hyphens. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

t.test('documents link to files, and to headings in them, that exist', async (t) => {
  const pages = [
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'CHANGELOG.md',
    ...['docs', 'conf'].flatMap((folder) => filesBelow(folder).map((file) => `${folder}/${file}`)),
  ].filter((file) => file.endsWith('.md'))
  for (const page of pages)
    for (const [, target = '', anchor] of readFileSync(join(ROOT, page), 'utf8').matchAll(
      /\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)/g,
    )) {
      const path = target === '' ? join(ROOT, page) : join(ROOT, page, '..', target)
      const found = statSync(path, { throwIfNoEntry: false })
      t.ok(found, `${page} links to ${target}`)
      if (anchor === undefined || found?.isFile() !== true) continue
      const headings = [...readFileSync(path, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, text = '']) =>
        anchorOf(text),
      )
      t.ok(headings.includes(anchor), `${page} links to ${target}#${anchor}`)
    }
})

t.test('npm scripts that documents name exist', async (t) => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  )
  for (const page of ['README.md', 'CONTRIBUTING.md'])
    for (const [, name = ''] of readFileSync(join(ROOT, page), 'utf8').matchAll(/npm run ([\w:]+)/g))
      t.ok(name in scripts, `${page} names npm run ${name}`)
})
