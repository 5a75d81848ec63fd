/** Steps of `mailpassd check` over the directory: reachable, readable for us, and not writable for its users. */
import { stat } from 'node:fs/promises'
import { systemClock } from '../clock.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { DirectoryConfig } from '../config/schema.ts'
import type { Directory } from '../directory/directory.ts'
import { openDirectory, realmFilePath } from '../directory/open.ts'
import type { DirectoryProfile } from '../directory/user.ts'
import { silentLogger } from '../telemetry/logger.ts'
import { NOBODY } from '../check/lookup.ts'
import { judgeHashAttribute, judgeTemplateAttribute } from '../check/realm.ts'
import { failedBy, ok, warning, type Step } from '../check/step.ts'

const NAME = 'directory'
const WAY_OUT =
  'mailpassd check --live says at which step, and what to do; the way from URL to role is in docs/keycloak.md'

/** What the profile has against it; nothing where all is well. */
function judgeProfile(profile: DirectoryProfile, config: DirectoryConfig): Step[] {
  const { password_attribute: password, template_attribute: template } = config
  const { hashVisible: visible, hashSelfEdited: selfEdited, templateSelfEdited } = profile
  const steps = [
    { name: `${NAME}: ${password}`, ...judgeHashAttribute(password, { visible, selfEdited }) },
    { name: `${NAME}: ${template}`, ...judgeTemplateAttribute({ selfEdited: templateSelfEdited }, config) },
  ]
  if (profile.emailSelfChosen && config.require_email_verified === 'no')
    steps.push(
      warning(
        `${NAME}: e-mail`,
        'users may choose their e-mail address or register themselves, and directory.require_email_verified is "no": whoever enters a free address gets its mailbox',
        'set directory.require_email_verified = "auto"',
      ),
    )
  return steps.filter(({ result }) => result !== 'ok')
}

/** Tries the directory as a login does: token, look-up, user profile. Only reads. */
export async function checkDirectory({ config, dataDir, source }: LoadedConfig): Promise<Step[]> {
  const isFile = config.directory.kind === 'realm-file'
  const where = isFile
    ? `realm file ${realmFilePath(config.directory, dataDir)}`
    : `Keycloak ${config.directory.server_url ?? ''}, realm ${config.directory.realm ?? ''}`
  if (isFile && source === 'embedded default') {
    const isThere = await stat(realmFilePath(config.directory, dataDir)).then(
      () => true,
      () => false,
    )
    if (!isThere) return [ok(NAME, `${where} is not there yet; serve makes it`)]
  }
  let directory: Directory | undefined
  try {
    directory = await openDirectory(config.directory, dataDir, { clock: systemClock, logger: silentLogger })
    await directory.findByEmail(NOBODY)
    return [ok(NAME, `${where} answers`), ...judgeProfile(await directory.profile(), config.directory)]
  } catch (error) {
    return [failedBy(NAME, error, isFile ? undefined : WAY_OUT)]
  } finally {
    await directory?.close()
  }
}
