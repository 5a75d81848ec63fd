/** The steps over the database in their order: reachable, our rights, its tables, what is in them. */
import type { Clock } from '../clock.ts'
import type { StoreConfig } from '../config/schema.ts'
import type { DirectorySettings } from '../config/settings.ts'
import { MAX_UNTAGGED } from '../account/stored.ts'
import type { PlannedStep } from './run-steps.ts'
import { found } from './step.ts'
import {
  isMailTable,
  judgeAppPasswords,
  judgeDatabase,
  judgeDomains,
  judgeRights,
  judgeTables,
  judgeTemplates,
} from './store.ts'
import type { DomainFigures, StoreProbe } from './store-probe.ts'
import { median } from './text.ts'

const STATEMENTS = 5

export interface StorePlan {
  readonly probe: StoreProbe
  readonly schema: StoreConfig['schema']
  /** Whether new mailboxes get a row in SOGo's view. */
  readonly sogo: boolean
  /** Whether Postfix asks for maps. */
  readonly maps: boolean
  readonly settings: DirectorySettings
  readonly clock: Clock
}

/** A new look at what is in the tables goes to the end, with `needs: ['tables']`. */
export function storeSteps({ probe, schema, sogo, maps, settings, clock }: StorePlan): PlannedStep[] {
  let isReadable = true
  let pending = 0
  let domains: readonly DomainFigures[] = []
  return [
    {
      name: 'database',
      async run() {
        const version = await probe.version()
        const tookMs: number[] = []
        while (tookMs.length < STATEMENTS) {
          const startedAtMs = clock.monotonicMs()
          await probe.version()
          tookMs.push(clock.monotonicMs() - startedAtMs)
        }
        return judgeDatabase(probe.where, version, median(tookMs))
      },
    },
    {
      name: 'rights',
      needs: ['database'],
      async run() {
        const all = await probe.missingRights({ maps })
        const missing = sogo ? all : all.filter(({ table }) => table !== '_sogo_static_view')
        isReadable = !missing.some(({ right }) => right === 'SELECT')
        return judgeRights(missing)
      },
    },
    {
      name: 'tables',
      needs: ['database'],
      async run() {
        if (!isReadable)
          return found.skipped('not tried: tables that may not be read look as if they were missing')
        const missing = await probe.missing({ maps })
        // Refused where mailcow's are incomplete, which `missing` tells better.
        pending = schema === 'mailcow' && missing.some(isMailTable) ? 0 : await probe.pendingStatements()
        return judgeTables({ missing, pending }, schema)
      },
    },
    {
      name: 'domains',
      needs: ['tables'],
      async run() {
        if (pending > 0) return found.skipped('not tried: the tables are not up to date yet')
        domains = await probe.domains()
        return judgeDomains(domains, await probe.aliasDomains(), settings)
      },
    },
    {
      name: 'templates',
      needs: ['domains'],
      run: async () => judgeTemplates(await probe.templates(), domains, settings),
    },
    {
      name: 'app passwords',
      needs: ['domains'],
      run: async () => judgeAppPasswords(await probe.crowded(MAX_UNTAGGED), MAX_UNTAGGED),
    },
  ]
}
