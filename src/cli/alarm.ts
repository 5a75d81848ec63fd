/** `mailpassd alarm test`: whether the webhook of the configuration takes an alarm. */
import { testBody } from '../alarm/alarm.ts'
import { openWebhook } from '../alarm/open.ts'
import { systemClock } from '../clock.ts'
import { EXIT, MailpassdError, toMailpassdError } from '../errors.ts'
import { parseArguments } from './args.ts'
import { CONFIG_OPTIONS_HELP, loadChosenConfig } from './choose-config.ts'
import type { Command } from './command.ts'
import { printJson } from './with-store.ts'

export const alarmTest: Command = {
  name: 'alarm test',
  summary: 'Send a test alarm to the webhook',
  help: `Usage: mailpassd alarm test [--json] [--config FILE] [--data-dir DIR]

Sends an alarm of the kind "test" to alarm.webhook_url, once, signed as others are. Works without a running daemon.

Options:
  --json           {"where": …, "delivered": …, "signed": …, "id": …, "error": …, "ms": …}
${CONFIG_OPTIONS_HELP}
Exit status: 0 the webhook took it (answer 2xx); 69 it did not; 78 there is none in the configuration.
`,
  async run(args, io) {
    const given = parseArguments('alarm test', args, { text: ['config', 'data-dir'], flags: ['json'] })
    const { config, source } = await loadChosenConfig(given, io)
    const webhook = openWebhook(config, systemClock)
    if (webhook === undefined)
      throw new MailpassdError(
        'config_invalid',
        `configuration ${source} has no alarm.webhook_url: alarms are in the log alone`,
      )
    const isSigned = config.alarm.webhook_secret !== undefined
    const body = testBody(systemClock.nowMs())
    const beganMs = systemClock.monotonicMs()
    const error = await webhook.send(JSON.stringify(body), new AbortController().signal).then(
      () => undefined,
      (thrown: unknown) => toMailpassdError(thrown),
    )
    const ms = Math.round(systemClock.monotonicMs() - beganMs)
    if (given.flag('json'))
      printJson(io, {
        where: webhook.where,
        delivered: error === undefined,
        signed: isSigned,
        id: body.id,
        error: error?.message ?? null,
        ms,
      })
    else if (error === undefined)
      io.out(
        `${webhook.where} took the test alarm ${body.id} in ${ms} ms, ${isSigned ? 'signed' : 'not signed'}\n`,
      )
    else throw error
    return error === undefined ? EXIT.ok : EXIT.unavailable
  },
}
