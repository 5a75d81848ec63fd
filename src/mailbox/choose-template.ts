/** Which template a new mailbox is made from: by mapping, then the domain's, then the default one. */
import type { StoredDomain } from '../account/stored.ts'
import type { DirectorySettings } from '../config/settings.ts'
import type { DirectoryProfile, DirectoryUser } from '../directory/user.ts'
import type { Why } from '../login/outcome.ts'
import type { MailboxTemplate } from './template.ts'

export type Choice =
  | { readonly kind: 'template'; readonly template: MailboxTemplate }
  | { readonly kind: 'refused'; readonly why: Why }

/** Which template is named, and by what; whether it exists is another question. */
export interface Naming {
  readonly name: string | undefined
  readonly by: 'mapping' | 'domain' | 'default' | 'nothing'
  /** False where users may edit the attribute themselves: it would let them choose their own quota and rights. */
  readonly isTrusted: boolean
  /** What the attribute's value is mapped to, trusted or not. */
  readonly mapped: string | undefined
}

export function nameTemplate(
  user: DirectoryUser,
  profile: DirectoryProfile,
  domain: StoredDomain,
  settings: DirectorySettings,
): Naming {
  const isTrusted = settings.trustUserAttributes || !profile.templateSelfEdited
  const mapped = user.template === undefined ? undefined : settings.mappings.get(user.template)
  const about = { isTrusted, mapped }
  if (isTrusted && mapped !== undefined) return { name: mapped, by: 'mapping', ...about }
  if (domain.template !== undefined) return { name: domain.template, by: 'domain', ...about }
  const name = settings.defaultTemplate
  return { name, by: name === undefined ? 'nothing' : 'default', ...about }
}

export function chooseTemplate(
  user: DirectoryUser,
  profile: DirectoryProfile,
  domain: StoredDomain,
  templates: readonly MailboxTemplate[],
  settings: DirectorySettings,
): Choice {
  const { name, isTrusted, mapped } = nameTemplate(user, profile, domain, settings)
  if (name === undefined) {
    const isIgnored = !isTrusted && mapped !== undefined
    return { kind: 'refused', why: isIgnored ? 'template_attribute_untrusted' : 'no_template' }
  }
  // Names are not unique in mailcow's table; its PHP takes the first row too.
  const template = templates.find((row) => row.name === name)
  return template === undefined
    ? { kind: 'refused', why: 'template_missing' }
    : { kind: 'template', template }
}
