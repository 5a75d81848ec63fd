/** The webhook of the configuration, and the outbox's consumer for it. */
import type { Clock } from '../clock.ts'
import type { Config } from '../config/schema.ts'
import type { Consume, DrainLimits } from '../outbox/run-row.ts'
import { Secret } from '../secret.ts'
import { consumeAlarm, WEBHOOK } from './consume.ts'
import { createWebhook, type Webhook } from './webhook.ts'

/** An alarm of yesterday is news for nobody. */
const MAX_AGE_MS = 24 * 60 * 60 * 1000
const MAX_RETRY_MS = 5 * 60 * 1000
const AT_ONCE = 4

/** Undefined where none is configured. Throws config_unreadable, config_invalid (the CA file). */
export function openWebhook({ alarm }: Pick<Config, 'alarm'>, clock: Clock): Webhook | undefined {
  const { webhook_url: url, webhook_secret: secret, webhook_ca_file: caFile } = alarm
  if (url === undefined) return undefined
  return createWebhook({
    url,
    secret: secret === undefined ? undefined : Secret.fromText(secret),
    caFile,
    timeoutMs: alarm.webhook_timeout_ms,
    clock,
  })
}

export interface AlarmConsumer {
  readonly consumer: string
  readonly consume: Consume
  readonly limits: Partial<DrainLimits>
}

/** None where there is no webhook. Throws config_unreadable, config_invalid. */
export function openAlarmConsumers(config: Pick<Config, 'alarm'>, clock: Clock): readonly AlarmConsumer[] {
  const webhook = openWebhook(config, clock)
  if (webhook === undefined) return []
  const runMs = 2 * config.alarm.webhook_timeout_ms
  const limits = { runMs, atOnce: AT_ONCE, maxAgeMs: MAX_AGE_MS, maxRetryMs: MAX_RETRY_MS }
  return [{ consumer: WEBHOOK, consume: consumeAlarm(webhook), limits }]
}

/** Whether rows are for a webhook that the configuration does not have any more. */
export function isFormerWebhook(consumer: string, { alarm }: Pick<Config, 'alarm'>): boolean {
  return consumer === WEBHOOK && alarm.webhook_url === undefined
}
