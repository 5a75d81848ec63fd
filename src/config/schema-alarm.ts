/** Section `alarm`: which good logins are told to somebody, and where. */
import { Type } from 'typebox'
import { section } from './section.ts'

export const Alarm = section(
  {
    guesses: Type.Integer({
      default: 5,
      minimum: 0,
      maximum: 1_000_000,
      description:
        'A good login from a network where nobody used the mailbox in 30 days is an alarm after so many different wrong passwords within an hour, from there or at the mailbox. 0: never.',
    }),
    network_guesses: Type.Integer({
      default: 20,
      minimum: 0,
      maximum: 1_000_000,
      description: 'The same after so many wrong passwords from its network at any mailboxes. 0: never.',
    }),
    new_networks_per_hour: Type.Integer({
      default: 10,
      minimum: 0,
      maximum: 1000,
      description:
        'A mailbox that logs in over smtp from more networks within an hour where nobody used it in 30 days is an alarm. 0: never.',
    }),
    webhook_url: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 2048,
        examples: ['https://alerts.example.org/mailpassd'],
        expected: 'a URL such as https://alerts.example.org/mailpassd',
        description:
          'Where alarms are sent by POST, as JSON; never waited for by a login, kept and tried again for a day. Default: they are in the log alone.',
      }),
    ),
    webhook_secret: Type.Optional(
      Type.String({
        minLength: 20,
        maxLength: 1024,
        examples: ['at least 20 characters'],
        description:
          'Signs what is sent. Better: webhook_secret_file, webhook_secret_env or a systemd credential named webhook_secret.',
      }),
    ),
    webhook_secret_file: Type.Optional(
      Type.String({
        examples: ['webhook_secret'],
        description: 'File that holds the secret, relative to this file; refused when others may read it.',
      }),
    ),
    webhook_secret_env: Type.Optional(
      Type.String({
        examples: ['MAILPASSD_WEBHOOK_SECRET'],
        description: 'Environment variable that holds the secret.',
      }),
    ),
    webhook_ca_file: Type.Optional(
      Type.String({
        examples: ['alerts-ca.pem'],
        description: "CA certificates (PEM) for an https URL, instead of the system's.",
      }),
    ),
    webhook_timeout_ms: Type.Integer({
      default: 5000,
      minimum: 100,
      maximum: 30000,
      description: 'An answer that takes longer has failed and is tried again.',
    }),
  },
  'Alarms: logins that look like those of a thief (docs/alarms.md).',
)
