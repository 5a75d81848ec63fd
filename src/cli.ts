/** The executable: hands the process over to the table of commands. Started by ./mailpassd. */
import { isatty } from 'node:tty'
import { COMMANDS } from './cli/commands.ts'
import { runCli } from './cli/run.ts'

// `mailpassd … | head` ends the reader first: that is no fault of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 74)
})

process.exitCode = await runCli(COMMANDS, process.argv.slice(2), {
  stdin: process.stdin,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  env: process.env,
  isInteractive: isatty(0),
})
