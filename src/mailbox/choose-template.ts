/** Which template a new mailbox is made from: by mapping, then the domain's, then the default one. */
import type { StoredDomain } from '../account/stored.ts'
import type { DirectorySettings } from '../config/settings.ts'
import type { DirectoryProfile, DirectoryUser } from '../directory/user.ts'
import type { Why } from '../login/outcome.ts'
import type { MailboxTemplate } from './template.ts'

export type Choice =
  | { readonly kind: 'template'; readonly template: MailboxTemplate }
  | { readonly kind: 'refused'; readonly why: Why }

export function chooseTemplate(
  user: DirectoryUser,
  profile: DirectoryProfile,
  domain: StoredDomain,
  templates: readonly MailboxTemplate[],
  settings: DirectorySettings,
): Choice {
  // An attribute that users edit themselves would let them choose their own quota and rights.
  const isTrusted = settings.trustUserAttributes || !profile.templateSelfEdited
  const mapped = isTrusted && user.template !== undefined ? settings.mappings.get(user.template) : undefined
  const name = mapped ?? domain.template ?? settings.defaultTemplate
  if (name === undefined) {
    const isIgnored = !isTrusted && user.template !== undefined && settings.mappings.has(user.template)
    return { kind: 'refused', why: isIgnored ? 'template_attribute_untrusted' : 'no_template' }
  }
  // Names are not unique in mailcow's table; its PHP takes the first row too.
  const template = templates.find((row) => row.name === name)
  return template === undefined
    ? { kind: 'refused', why: 'template_missing' }
    : { kind: 'template', template }
}
