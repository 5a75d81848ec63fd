/** Section `directory`: where users are. */
import { Type } from 'typebox'
import { section } from './section.ts'

const Tls = section(
  {
    ca_file: Type.Optional(
      Type.String({
        examples: ['/etc/mailpassd/ca.pem'],
        description:
          'PEM file of the authorities to trust instead of the system ones, relative to this file.',
      }),
    ),
    insecure: Type.Boolean({
      default: false,
      description:
        'Ignore SSL errors, everywhere this connection is used. Said loudly in log and check: whoever is on the path reads the client secret and every hash.',
    }),
  },
  'Certificate checks.',
)

export const Directory = section(
  {
    kind: Type.Union([Type.Literal('realm-file'), Type.Literal('keycloak')], {
      default: 'realm-file',
      description: 'Where users come from: a Keycloak server, or a realm export file (the embedded default).',
    }),
    file: Type.String({
      default: 'realm.json',
      description:
        'Realm export file, relative to the data directory; re-read when it changes. Only for realm-file.',
    }),
    server_url: Type.Optional(
      Type.String({
        examples: ['https://id.example.org'],
        description:
          'Base URL of Keycloak (with /auth for old versions). Only for keycloak, as are the keys below down to tls.',
      }),
    ),
    realm: Type.Optional(
      Type.String({ examples: ['mail'], description: 'Realm, as it is named in Keycloak.' }),
    ),
    client_id: Type.Optional(
      Type.String({
        examples: ['mailpassd'],
        description: 'Client with a service account that has view-users and nothing more.',
      }),
    ),
    client_secret: Type.Optional(
      Type.String({
        examples: ['the secret'],
        description:
          'The client secret. Better: client_secret_file, client_secret_env or a systemd credential named client_secret.',
      }),
    ),
    client_secret_file: Type.Optional(
      Type.String({
        examples: ['client_secret'],
        description:
          'File that holds the client secret, relative to this file; refused when others may read it.',
      }),
    ),
    client_secret_env: Type.Optional(
      Type.String({
        examples: ['MAILPASSD_CLIENT_SECRET'],
        description: 'Environment variable that holds the client secret.',
      }),
    ),
    redirect_url: Type.Optional(
      Type.String({
        examples: ['https://mail.example.org'],
        description: "Accepted for mailcow's settings; a mail login does not use it.",
      }),
    ),
    version: Type.Optional(
      Type.String({ examples: ['26.7.3'], description: "Accepted for mailcow's settings; unused." }),
    ),
    tls: Tls,
    mailpassword_flow: Type.Boolean({
      default: true,
      description:
        'Verify passwords against the hash in the directory. Off: only app passwords and SQL hashes open mailboxes.',
    }),
    login_provisioning: Type.Boolean({
      default: true,
      description:
        'Make mailboxes on the first good login, where a domain has no setting of its own (mailcow schema).',
    }),
    default_template: Type.Optional(
      Type.String({
        examples: ['Default'],
        description:
          'Template for users whom neither a mapping nor their domain gives one. Used for making a mailbox only. Default: the template "Default" with the standalone schema, none with the mailcow schema.',
      }),
    ),
    mappings: Type.Array(
      Type.Object(
        {
          attribute: Type.String({ examples: ['sales'], description: 'Value of the template attribute.' }),
          template: Type.String({
            examples: ['Sales'],
            description: 'Name of the mailbox template it stands for.',
          }),
        },
        { additionalProperties: false },
      ),
      {
        default: [],
        maxItems: 1000,
        description: 'Attribute mapping: value of the template attribute -> mailbox template.',
      },
    ),
    password_attribute: Type.String({
      default: 'mailcow_password',
      minLength: 1,
      description: 'User attribute with the password hash (up to 5 values, all tried).',
    }),
    template_attribute: Type.String({
      default: 'mailcow_template',
      minLength: 1,
      description: 'User attribute whose first value the mappings look at.',
    }),
    require_email_verified: Type.Union([Type.Literal('auto'), Type.Literal('yes'), Type.Literal('no')], {
      default: 'auto',
      description:
        'Refuse users whose e-mail is not verified. auto: where the realm lets users choose their e-mail or register themselves.',
    }),
    refuse_required_actions: Type.Boolean({
      default: false,
      description: 'Refuse users for whom required actions are pending.',
    }),
    lockout: Type.Union([Type.Literal('block'), Type.Literal('ignore')], {
      default: 'block',
      description: 'What a permanent lockout in Keycloak means here. A stranger can cause it.',
    }),
    trust_user_attributes: Type.Boolean({
      default: false,
      description: 'Use the template attribute even where users may edit it themselves.',
    }),
    fresh_seconds: Type.Integer({
      default: 60,
      minimum: 1,
      maximum: 3600,
      description: 'A directory record younger than this is used without asking again.',
    }),
    unknown_seconds: Type.Integer({
      default: 30,
      minimum: 1,
      maximum: 3600,
      description: 'How long an unknown user is remembered as such.',
    }),
    mode: Type.Union([Type.Literal('lookup'), Type.Literal('mirror')], {
      default: 'lookup',
      description:
        'lookup: users are asked for when they log in. mirror: besides, all users are read every mirror_minutes, and logins need no call; memory.accounts must hold them all.',
    }),
    mirror_minutes: Type.Integer({
      default: 15,
      minimum: 1,
      maximum: 1440,
      description: 'How often the whole directory is read in mirror mode; at most 20 calls a second.',
    }),
    snapshot_key: Type.Optional(
      Type.String({
        examples: ['0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'],
        description:
          'Key of 32 bytes (hex or base64) that seals the snapshot: what the directory said, hashes among it, kept in the database for a start while it is down. Better: snapshot_key_file, snapshot_key_env or a systemd credential named snapshot_key. No key, no snapshot.',
      }),
    ),
    snapshot_key_file: Type.Optional(
      Type.String({
        examples: ['snapshot_key'],
        description:
          'File that holds the key, relative to this file; refused when others may read it. Made by: (umask 077; openssl rand -hex 32 > snapshot_key).',
      }),
    ),
    snapshot_key_env: Type.Optional(
      Type.String({
        examples: ['MAILPASSD_SNAPSHOT_KEY'],
        description: 'Environment variable that holds the key.',
      }),
    ),
    max_change_percent: Type.Integer({
      default: 5,
      minimum: 1,
      maximum: 100,
      description:
        'When more than this part of the known users, and more than 20, turn unknown, disabled or without a password within 10 minutes, that is taken for a fault: what was known serves until `mailpassd directory accept`. 100: never.',
    }),
    events: Type.Union([Type.Literal('auto'), Type.Literal('on'), Type.Literal('off')], {
      default: 'auto',
      description:
        'Read what Keycloak tells of changed users (admin and user events), so that a change counts within seconds. auto: where the realm keeps them and the client has view-events. on: the same, and /readyz says where it cannot. Only for keycloak.',
    }),
    events_seconds: Type.Integer({
      default: 2,
      minimum: 0,
      maximum: 60,
      description: 'Time between two readings of events. 0: as events = "off".',
    }),
    unknown_per_second: Type.Integer({
      default: 20,
      minimum: 1,
      maximum: 1000,
      description:
        'Most look-ups a second of names that nobody is known to have; a network may cause a tenth of it. Beyond it they are put off (temp_fail).',
    }),
    outage_hours: Type.Integer({
      default: 24,
      minimum: 0,
      maximum: 8760,
      description:
        'While the directory is down, records at most so old serve those who logged in before. 0: 5 minutes, as when a single call fails.',
    }),
    connections: Type.Integer({
      default: 16,
      minimum: 1,
      maximum: 256,
      description: 'Most connections to Keycloak at a time.',
    }),
  },
  'Where users and their password hashes are.',
)
