/** `npm run generate`: writes every generated file. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GENERATED } from './generated.ts'

const root = join(import.meta.dirname, '..')
for (const [path, make] of GENERATED) {
  await writeFile(join(root, path), await make())
  process.stdout.write(`${path}\n`)
}
