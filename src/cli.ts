/** The executable: hands the process over to the table of commands. Started by ./mailpassd. */
import { isatty } from 'node:tty'
import { COMMANDS } from './cli/commands.ts'
import { runCli } from './cli/run.ts'

// `mailpassd … | head` ends the reader first: that is no fault of ours, and the exit code stays the command's (0 would
// be "match" of `hash verify`).
const outputEnded = new AbortController()
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  outputEnded.abort()
  if (error.code !== 'EPIPE') process.exit(74)
})
// Unheard, this would end the process with 1, which is "refused" or "mismatch".
process.stderr.on('error', () => {})

// Timers of the clock keep no process alive; without this, a command that waits on nothing else (SQLite needs no socket)
// would end in the middle, with Node's exit code 13.
const waiting = setInterval(() => {}, 2 ** 30)
process.exitCode = await runCli(COMMANDS, process.argv.slice(2), {
  stdin: process.stdin,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  env: process.env,
  isInteractive: isatty(0),
  outputEnded: outputEnded.signal,
})
clearInterval(waiting)
