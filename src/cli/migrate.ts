/** `mailpassd migrate`: makes or updates the tables, or shows the statements that would. */
import { EXIT } from '../errors.ts'
import { parseArguments } from './args.ts'
import type { Command } from './command.ts'
import { printJson, STORE_OPTIONS_HELP, withConfiguredStore } from './with-store.ts'

export const migrate: Command = {
  name: 'migrate',
  summary: 'Make or update the tables of the database',
  help: `Usage: mailpassd migrate [--dry-run] [OPTIONS]

Makes the tables that are missing and brings older ones up to date. The daemon does the same when it starts; this
is for a database user who may not make tables, and for looking first. In mailcow's schema only our own tables
(mailpassd_*) are made and nothing of mailcow's is altered.

  --dry-run        print the SQL statements that would run, and run none
${STORE_OPTIONS_HELP}
Example:
  mailpassd migrate --config /etc/mailpassd/mailpassd.toml --dry-run | mariadb mailcow
`,

  async run(args, io) {
    const options = parseArguments('migrate', args, {
      text: ['config', 'data-dir'],
      flags: ['dry-run', 'json'],
    })
    const isDryRun = options.flag('dry-run')
    const [where, statements] = await withConfiguredStore(
      options,
      io,
      async (store, { where }) => [where, await store.migrate({ dryRun: isDryRun })] as const,
      isDryRun ? 'in_memory' : 'make',
    )
    if (options.flag('json')) {
      printJson(io, { database: where, dry_run: isDryRun, statements })
    } else if (statements.length === 0) {
      // Not on stdout: its lines may be piped into a database client.
      io.err(`${where}: all tables are up to date\n`)
    } else if (isDryRun) {
      for (const statement of statements) io.out(`${statement};\n`)
    } else {
      io.out(`${where}: ${statements.length} statements were run\n`)
    }
    return EXIT.ok
  },
}
