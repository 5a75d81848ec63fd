/** A node that is killed in the middle of making a mailbox: it blocks inside its plan, within the transaction. */
import { systemClock } from '../../src/clock.ts'
import { openStore, type StoreOptions } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { sqliteOptions } from './store-subjects.ts'
import { addressOf, makePlan } from './store-plans.ts'

const [kind, place, database, schema] = process.argv.slice(2)

const base = sqliteOptions(place ?? '')
const options: StoreOptions =
  kind === 'sqlite'
    ? base
    : {
        ...base,
        kind: 'mysql',
        schema: schema === 'mailcow' ? 'mailcow' : 'standalone',
        socket: place ?? '',
        database: database ?? '',
        user: 'root',
      }

const store = await openStore(options, { clock: systemClock, logger: silentLogger })
// The first plan lets half of the rows be written; the change that follows does not end.
await store.mailboxes.apply(addressOf('jane@example.org'), (stored) => {
  const plan = makePlan(stored)
  if (plan.kind === 'refused') throw new Error(plan.why)
  return {
    kind: 'changes',
    changes: plan.changes.map((change) =>
      change.kind === 'make_alias'
        ? {
            kind: 'make_alias',
            get active(): 1 {
              process.stdout.write('half written\n')
              Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
              return 1
            },
          }
        : change,
    ),
  }
})
