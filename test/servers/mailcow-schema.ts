/**
 * The tables of a mailcow that mailpassd meets, as its schema 19022026_1220 has them: names, types, defaults, keys.
 * Written from those facts, so that a test database behaves as mailcow's does (collation, widths, foreign keys).
 */
const END = 'engine=InnoDB default charset=utf8mb4 row_format=dynamic'
const TIMES = `created datetime(0) not null default now(0), modified datetime on update current_timestamp`
const TO_MAILBOX = 'references mailbox (username) on delete cascade on update no action'

const USER_ACL_COLUMNS = [
  'spam_alias',
  'tls_policy',
  'spam_score',
  'spam_policy',
  'delimiter_action',
  'syncjobs',
  'eas_reset',
  'sogo_profile_reset',
  'pushover',
  'quarantine',
  'quarantine_attachments',
  'quarantine_notification',
  'quarantine_category',
  'app_passwds',
  'pw_reset',
]
const OFF_BY_DEFAULT = new Set(['syncjobs', 'sogo_profile_reset'])

/** The template that init_db of a new mailcow writes. */
export const DEFAULT_TEMPLATE =
  '{"tags":[],"quota":0,"quarantine_notification":"hourly","quarantine_category":"reject","rl_frame":"s","rl_value":"","force_pw_update":0,"force_tfa":0,"sogo_access":1,"active":1,"tls_enforce_in":0,"tls_enforce_out":0,"imap_access":1,"pop3_access":1,"smtp_access":1,"sieve_access":1,"eas_access":1,"dav_access":1,"acl_spam_alias":1,"acl_tls_policy":1,"acl_spam_score":1,"acl_spam_policy":1,"acl_delimiter_action":1,"acl_syncjobs":0,"acl_eas_reset":1,"acl_sogo_profile_reset":0,"acl_pushover":1,"acl_quarantine":1,"acl_quarantine_attachments":1,"acl_quarantine_notification":1,"acl_quarantine_category":1,"acl_app_passwds":1}'

export const MAILCOW_SCHEMA: readonly string[] = [
  `create table domain (domain varchar(255) not null, description varchar(255), aliases int(10) not null default 0,
    mailboxes int(10) not null default 0, defquota bigint(20) not null default 3072,
    maxquota bigint(20) not null default 102400, quota bigint(20) not null default 102400,
    relayhost varchar(255) not null default '0', backupmx tinyint(1) not null default 0,
    gal tinyint(1) not null default 1, relay_all_recipients tinyint(1) not null default 0,
    relay_unknown_only tinyint(1) not null default 0, ${TIMES}, active tinyint(1) not null default 1,
    primary key (domain)) ${END}`,
  `create table mailbox (username varchar(255) not null, password varchar(255) not null, name varchar(255),
    description varchar(255), mailbox_path_prefix varchar(150) default '/var/vmail/',
    quota bigint(20) not null default 102400, local_part varchar(255) not null, domain varchar(255) not null,
    attributes json, custom_attributes json not null default ('{}'), kind varchar(100) not null default '',
    multiple_bookings int not null default -1,
    authsource enum('mailcow', 'keycloak', 'generic-oidc', 'ldap') default 'mailcow', ${TIMES},
    active tinyint(1) not null default 1, primary key (username), key domain (domain), key kind (kind)) ${END}`,
  `create table alias (id int not null auto_increment, address varchar(255) not null, goto text not null,
    domain varchar(255) not null, ${TIMES}, private_comment text, public_comment text,
    sogo_visible tinyint(1) not null default 1, internal tinyint(1) not null default 0,
    sender_allowed tinyint(1) not null default 1, active tinyint(1) not null default 1,
    primary key (id), unique key address (address), key domain (domain)) ${END}`,
  `create table alias_domain (alias_domain varchar(255) not null, target_domain varchar(255) not null, ${TIMES},
    active tinyint(1) not null default 1, primary key (alias_domain), key active (active),
    key target_domain (target_domain)) ${END}`,
  `create table spamalias (address varchar(255) not null, goto text not null, description text not null, ${TIMES},
    validity int(11), permanent tinyint(1) not null default 0, primary key (address)) ${END}`,
  `create table sender_acl (id int not null auto_increment, logged_in_as varchar(255) not null,
    send_as varchar(255) not null, external tinyint(1) not null default 0, primary key (id)) ${END}`,
  ...['quota2', 'quota2replica'].map(
    (table) => `create table ${table} (username varchar(255) not null, bytes bigint(20) not null default 0,
    messages bigint(20) not null default 0, primary key (username)) ${END}`,
  ),
  `create table app_passwd (id int not null auto_increment, name varchar(255) not null, mailbox varchar(255) not null,
    domain varchar(255) not null, password varchar(255) not null, ${TIMES},
    imap_access tinyint(1) not null default 1, smtp_access tinyint(1) not null default 1,
    dav_access tinyint(1) not null default 1, eas_access tinyint(1) not null default 1,
    pop3_access tinyint(1) not null default 1, sieve_access tinyint(1) not null default 1,
    active tinyint(1) not null default 1, primary key (id), key mailbox (mailbox), key password (password),
    key domain (domain), constraint fk_username_app_passwd foreign key (mailbox) ${TO_MAILBOX}) ${END}`,
  `create table templates (id int not null auto_increment, template varchar(255) not null, type varchar(255) not null,
    attributes json, ${TIMES}, primary key (id)) ${END}`,
  `create table identity_provider (\`key\` varchar(255) not null, value text not null, ${TIMES},
    primary key (\`key\`)) ${END}`,
  `create table user_acl (username varchar(255) not null, ${USER_ACL_COLUMNS.map(
    (column) => `${column} tinyint(1) not null default ${OFF_BY_DEFAULT.has(column) ? 0 : 1}`,
  ).join(', ')}, primary key (username), constraint fk_username foreign key (username) ${TO_MAILBOX}) ${END}`,
  `create table sasl_log (service varchar(32) not null default '', app_password int,
    username varchar(255) not null, real_rip varchar(64) not null, datetime datetime(0) not null default now(0),
    primary key (service, real_rip, username), key username (username), key service (service),
    key datetime (datetime), key real_rip (real_rip)) ${END}`,
  `create table tags_mailbox (tag_name varchar(255) not null, username varchar(255) not null,
    unique key tag_name (tag_name, username),
    constraint fk_tags_mailbox foreign key (username) ${TO_MAILBOX}) ${END}`,
  `create table _sogo_static_view (c_uid varchar(255) not null, domain varchar(255) not null,
    c_name varchar(255) not null, c_password varchar(255) not null default '', c_cn varchar(255),
    c_l varchar(255), c_o varchar(255), c_ou varchar(255), c_telephonenumber varchar(255),
    mail varchar(255) not null, aliases text not null, ad_aliases varchar(6144) not null default '',
    ext_acl varchar(6144) not null default '', kind varchar(100) not null default '',
    multiple_bookings int not null default -1, primary key (c_uid), key domain (domain)) ${END}`,
  `create table tfa (id int not null auto_increment, key_id varchar(255) not null, username varchar(255) not null,
    authmech enum('yubi_otp', 'u2f', 'hotp', 'totp', 'webauthn'), secret varchar(255) default null,
    active tinyint(1) not null default 0, primary key (id)) ${END}`,
  `insert into templates (template, type, attributes) values ('Default', 'domain', '{"max_num_mboxes_for_domain":10}'),
    ('Default', 'mailbox', '${DEFAULT_TEMPLATE}')`,
]
