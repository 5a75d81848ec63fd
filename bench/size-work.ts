/**
 * `MAILPASSD_ENTRY=bench/size-work.ts ./mailpassd RECORDS`: fills the memory of accounts, the book of directory records and the
 * memo as that many users who have all logged in do, and says what they take and how long a look-up is. In a process of
 * its own, with the daemon's heap. Prints JSON.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { AccountMemory } from '../src/account/accounts.ts'
import { systemClock } from '../src/clock.ts'
import { candidatesFor } from '../src/credential/candidates.ts'
import { Memo } from '../src/credential/memo.ts'
import type { DirectoryUser } from '../src/directory/user.ts'
import { Secret } from '../src/secret.ts'
import { silentLogger } from '../src/telemetry/logger.ts'
import { address, profile, resident, settings } from '../test/fakes/accounts.ts'

const LOOK_UPS = 200_000
const DAY_MS = 86_400_000

const count = Number(process.argv[2])

/** The collector, to be called. NODE_OPTIONS, by which the daemon's start script could be told, refuses --expose-gc. */
function collector(): () => void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect !== 'function') throw new Error('this Node has no collector to call')
  return () => void collect()
}

const collect = collector()

/** Texts of its own, as they come out of a parser: none is shared with another record. */
function ownCopy<Value>(value: Value): Value {
  return structuredClone(value)
}

function userOf(email: string): DirectoryUser {
  return ownCopy({
    id: randomUUID(),
    username: email,
    email,
    emailVerified: true,
    enabled: true,
    lockedOut: false,
    requiredActions: [],
    firstName: `First of ${email}`,
    lastName: `Last of ${email}`,
    hashes: [`{BLF-CRYPT}$2y$10$${randomBytes(40).toString('hex').slice(0, 53)}`],
    template: undefined,
  })
}

function makeMemory(): { readonly accounts: AccountMemory; readonly memo: Memo } {
  const accounts = new AccountMemory({
    source: {
      async loadAccount({ full }) {
        const own = ownCopy(resident)
        const { mailbox } = own
        return mailbox === undefined
          ? own
          : { ...own, mailbox: { ...mailbox, username: full, directoryId: undefined } }
      },
    },
    directory: {
      findByEmail: async (email) => ({ kind: 'found', user: userOf(email) }),
      profile: async () => profile,
      downBy: () => undefined,
    },
    settings: () => settings,
    clock: systemClock,
    logger: silentLogger,
    // Nothing gets old while it is measured.
    limits: {
      maxAccounts: count,
      storeFreshMs: DAY_MS,
      freshMs: DAY_MS,
      unknownMs: DAY_MS,
      waitMs: 2000,
      staleMs: DAY_MS,
      outageMs: DAY_MS,
      storeOutageMs: DAY_MS,
    },
  })
  return { accounts, memo: new Memo(count, systemClock) }
}

const nameOf = (at: number) => address(`user${at}@example.org`)

/** Memory after a thorough collection, in bytes: the process's, and what is alive on the heap. */
function memory(): { readonly resident: number; readonly heap: number } {
  for (let time = 0; time < 3; time += 1) collect()
  return { resident: process.memoryUsage.rss(), heap: process.memoryUsage().heapUsed }
}

/** Mean time of a look-up of names in no order, in nanoseconds. */
function lookUpNs(accounts: AccountMemory): number {
  const names = Array.from({ length: 1000 }, (_, at) => nameOf((at * 7919) % count))
  const startedAtMs = performance.now()
  for (let at = 0; at < LOOK_UPS; at += 1) {
    const name = names[at % names.length]
    if (name !== undefined && accounts.get(name) instanceof Promise) throw new Error('not in memory')
  }
  return ((performance.now() - startedAtMs) * 1_000_000) / LOOK_UPS
}

const { accounts, memo } = makeMemory()
const secret = Secret.fromText('the right password')
const before = memory()
for (let at = 0; at < count; at += 1) {
  const account = await accounts.get(nameOf(at))
  const [candidate] = candidatesFor(account, undefined).others
  const mac = candidate === undefined ? undefined : memo.rightMac(account.address.full, candidate, secret)
  if (mac === undefined) throw new Error('nothing to remember')
  memo.rememberRight(mac)
}
lookUpNs(accounts)
const times = Array.from({ length: 5 }, () => lookUpNs(accounts)).sort((a, b) => a - b)
const after = memory()
console.log(
  JSON.stringify({
    residentBytes: after.resident - before.resident,
    heapBytes: after.heap - before.heap,
    lookUpNs: times[2],
    remembered: accounts.size,
  }),
)
