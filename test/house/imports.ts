/** Reads the imports of the source, for the tests that hold the drawing of the house. */
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

export interface Import {
  /** Below src/: `store/accounts.ts`. */
  readonly from: string
  /** A file below src/, or a package: `kysely`, `node:net`. */
  readonly to: string
  readonly isPackage: boolean
  /** Nothing of it is left when the program runs. */
  readonly isType: boolean
}

const STATEMENT = /^(?:import|export)\s+(type\s+)?(?:([^'";]*?)\sfrom\s+)?'([^']+)'|import\('([^']+)'\)/gm

function onlyTypes(names: string | undefined): boolean {
  const list = /^\{([^}]*)\}$/.exec(names?.trim() ?? '')?.[1]
  if (list === undefined) return false
  return list.split(',').every((name) => name.trim() === '' || name.trim().startsWith('type '))
}

/** The imports of one file below src/. */
export function importsOf(src: string, from: string): Import[] {
  const text = readFileSync(join(src, from), 'utf8')
  return [...text.matchAll(STATEMENT)].flatMap(([, type, names, spec, lazy]) => {
    const target = spec ?? lazy ?? ''
    const isPackage = !target.startsWith('.')
    const to = isPackage ? target : normalize(join(dirname(from), target))
    // What leaves src/ (package.json) is no part of the house.
    if (to.startsWith('..')) return []
    return [{ from, to, isPackage, isType: type !== undefined || onlyTypes(names) }]
  })
}
