/**
 * The manual page mailpassd(8), from what the commands say of themselves.
 *
 *   node scripts/man-page.ts SECONDS     SECONDS since 1970 are its date
 */
import { COMMANDS } from '../src/cli/commands.ts'
import { EXIT } from '../src/errors.ts'
import { version } from '../src/cli/run.ts'

/** Text that troff leaves as it is, and no request of its own. */
function plain(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/^(?=[.'])/gm, '\\&')
}

const date = new Date(Number(process.argv[2] ?? 0) * 1000).toISOString().slice(0, 10)
const commands = await Promise.all([...COMMANDS.values()].map((load) => load()))

console.log(`.TH MAILPASSD 8 ${date} "mailpassd ${version()}" "System administration"
.SH NAME
mailpassd \\- passwords and mailboxes for Dovecot, Postfix and Exim
.SH SYNOPSIS
.B mailpassd
.I COMMAND
.RI [ OPTIONS ]
.SH DESCRIPTION
Answers a mail server's question: may this client, with this password, use this mailbox over this protocol now?
Passwords are read from the terminal or from standard input, never from the command line.
Commands are run as the user of the daemon:
.PP
.nf
runuser \\-u mailpassd \\-\\- mailpassd check \\-\\-config /etc/mailpassd/mailpassd.toml
.fi
.SH COMMANDS`)
for (const { name, help } of commands) console.log(`.SS ${plain(name)}\n.nf\n${plain(help.trimEnd())}\n.fi`)
console.log(`.SH EXIT STATUS
Those of sysexits.h:
${Object.entries(EXIT)
  .map(([name, code]) => `${name} ${code}`)
  .join(', ')}.
.SH FILES
.TP
/etc/mailpassd/mailpassd.toml
The configuration, and beside it the files with secrets that it names.
.TP
/var/lib/mailpassd
The data directory: the database, where that is SQLite, and UNIX sockets.
.TP
/usr/share/doc/mailpassd
Documents; conf/ has configurations to begin with.`)
