/** Words for command lines that people copy. */
import { cleanName } from '../login-log/clean-name.ts'

/** A word for a command line: as it is where nothing in it means anything to a shell, else in single quotes. */
export function shell(word: string): string {
  const clean = cleanName(word)
  const quoted = /^[A-Za-z0-9@._+=-]+$/.test(clean) ? clean : `'${clean.replaceAll("'", "'\\''")}'`
  return clean.startsWith('-') ? `-- ${quoted}` : quoted
}
