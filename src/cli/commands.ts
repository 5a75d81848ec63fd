/** The table of commands. Each is loaded when it is called for, so that none pays for another's imports. */
import type { Command } from './command.ts'

export const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['serve', async () => (await import('./serve.ts')).serve],
  ['check', async () => (await import('./check.ts')).check],
  ['login', async () => (await import('./login.ts')).login],
  ['explain', async () => (await import('./explain.ts')).explain],
  ['log', async () => (await import('./log.ts')).log],
  ['status', async () => (await import('./status.ts')).status],
  ['directory status', async () => (await import('./directory.ts')).directoryStatus],
  ['directory accept', async () => (await import('./directory-accept.ts')).directoryAccept],
  ['hash make', async () => (await import('./hash.ts')).hashMake],
  ['hash verify', async () => (await import('./hash.ts')).hashVerify],
  ['domain add', async () => (await import('./domain.ts')).domainAdd],
  ['domain show', async () => (await import('./domain.ts')).domainShow],
  ['domain set', async () => (await import('./domain.ts')).domainSet],
  ['mailbox show', async () => (await import('./mailbox.ts')).mailboxShow],
  ['mailbox rebind', async () => (await import('./mailbox.ts')).mailboxRebind],
  ['mailbox lock', async () => (await import('./mailbox-lock.ts')).mailboxLock],
  ['mailbox unlock', async () => (await import('./mailbox-lock.ts')).mailboxUnlock],
  ['penalty list', async () => (await import('./penalty.ts')).penaltyList],
  ['penalty clear', async () => (await import('./penalty.ts')).penaltyClear],
  ['app-password create', async () => (await import('./app-password.ts')).appPasswordCreate],
  ['app-password list', async () => (await import('./app-password.ts')).appPasswordList],
  ['app-password revoke', async () => (await import('./app-password.ts')).appPasswordRevoke],
  ['alarm test', async () => (await import('./alarm.ts')).alarmTest],
  ['migrate', async () => (await import('./migrate.ts')).migrate],
])
