/** Section `dovecot`: where live sessions are ended when an account is locked. */
import { Type } from 'typebox'
import { section } from './section.ts'

const Endpoint = Type.Object(
  {
    name: Type.String({
      examples: ['mx1'],
      minLength: 1,
      maxLength: 32,
      pattern: '^[a-z0-9][a-z0-9._-]*$',
      expected: 'a name of lower-case letters, digits and . _ -',
      description:
        'Names the Dovecot in logs and metrics, and work that waits for it. The same on every node. The systemd credential doveadm_<name> holds the API key where none is given here.',
    }),
    url: Type.Optional(
      Type.String({
        examples: ['http://127.0.0.1:8180'],
        minLength: 1,
        maxLength: 1024,
        description:
          'Its doveadm HTTP listener. With neither url nor command, another node ends the sessions of this Dovecot.',
      }),
    ),
    api_key: Type.Optional(
      Type.String({
        examples: ['the doveadm_api_key'],
        minLength: 1,
        maxLength: 4096,
        description: "Dovecot's doveadm_api_key. Better: api_key_file or api_key_env.",
      }),
    ),
    api_key_file: Type.Optional(
      Type.String({
        examples: ['doveadm_mx1'],
        description: 'File that holds the key, relative to this file; refused when others may read it.',
      }),
    ),
    api_key_env: Type.Optional(
      Type.String({
        examples: ['MAILPASSD_DOVEADM_MX1'],
        description: 'Environment variable that holds the key.',
      }),
    ),
    ca_file: Type.Optional(
      Type.String({
        examples: ['dovecot-ca.pem'],
        description: "CA certificates (PEM) for an https url, instead of the system's.",
      }),
    ),
    command: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 1024 }), {
        examples: [['docker', 'exec', 'dovecot', 'doveadm']],
        minItems: 1,
        maxItems: 32,
        expected: 'a list of 1 to 32 texts, the program and its arguments',
        description:
          'Instead of url: a program and its arguments, run without a shell; what to do is put behind them. Needs the right to talk to Dovecot.',
      }),
    ),
    timeout_ms: Type.Integer({
      default: 5000,
      minimum: 100,
      maximum: 8000,
      description: 'An answer that takes longer has failed and is tried again.',
    }),
    flush_auth_cache: Type.Boolean({
      default: false,
      description:
        "Also take the mailbox out of Dovecot's authentication cache, for a Dovecot whose auth_cache_size is not 0. With Dovecot 2.4.1 this works by command only.",
    }),
  },
  { additionalProperties: false },
)

export const Dovecot = section(
  {
    endpoints: Type.Array(Endpoint, {
      default: [],
      maxItems: 16,
      description: 'Every Dovecot that has sessions of these mailboxes.',
    }),
  },
  'Ending live sessions when an account is locked or an app password is revoked (docs/incident.md).',
)
