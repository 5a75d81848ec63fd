/** The outbox's consumer for alarms: one webhook, told at least once. */
import type { Consume } from '../outbox/run-row.ts'
import type { Webhook } from './webhook.ts'

export const WEBHOOK = 'webhook'
export const ALARM = 'alarm'

/** Its one action is `alarm`; the row's body is what is sent. May be done twice: the body has an id. */
export function consumeAlarm(webhook: Webhook): Consume {
  return async ({ action, body }, signal) => {
    if (action !== ALARM || typeof body !== 'object' || body === null) return 'moot'
    await webhook.send(JSON.stringify(body), signal)
    return 'done'
  }
}
