/** Steps of `mailpassd check` over the directory: reachable, readable for us, and not writable for its users. */
import { stat } from 'node:fs/promises'
import { systemClock } from '../clock.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { DirectoryConfig } from '../config/schema.ts'
import type { Directory } from '../directory/directory.ts'
import { openDirectory, realmFilePath } from '../directory/open.ts'
import type { DirectoryProfile } from '../directory/user.ts'
import { silentLogger } from '../telemetry/logger.ts'
import { failed, failedBy, ok, warning, type Step } from '../check/step.ts'

const NAME = 'directory'

/** RFC 2606 §2: nobody has an address there, and yet it takes the whole way of a look-up. */
const NOBODY = 'mailpassd-check@mailpassd.invalid'

function judgeProfile(profile: DirectoryProfile, config: DirectoryConfig): Step[] {
  const { password_attribute: password, template_attribute: template } = config
  const steps: Step[] = []
  if (!profile.hashVisible)
    steps.push(
      failed(
        `${NAME}: ${password}`,
        'the realm hides this attribute from us, and drops in silence what is written to it: nobody can log in',
        `declare ${password} in the realm's user profile, view and edit for administrators alone (docs/keycloak.md)`,
      ),
    )
  if (profile.hashSelfEdited)
    steps.push(
      failed(
        `${NAME}: ${password}`,
        'users may read and edit this attribute themselves: they see their hash and can replace it',
        `declare ${password} in the realm's user profile, view and edit for administrators alone (docs/keycloak.md)`,
      ),
    )
  if (profile.templateSelfEdited) {
    const detail = 'users may edit this attribute themselves'
    const hint = `declare ${template} in the realm's user profile, edit for administrators alone (docs/keycloak.md)`
    steps.push(
      config.trust_user_attributes
        ? warning(
            `${NAME}: ${template}`,
            `${detail}, and directory.trust_user_attributes lets them choose their template`,
            hint,
          )
        : failed(`${NAME}: ${template}`, `${detail}, so that it is ignored`, hint),
    )
  }
  if (profile.emailSelfChosen && config.require_email_verified === 'no')
    steps.push(
      warning(
        `${NAME}: e-mail`,
        'users may choose their e-mail address or register themselves, and directory.require_email_verified is "no": whoever enters a free address gets its mailbox',
        'set directory.require_email_verified = "auto"',
      ),
    )
  return steps
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
    return [failedBy(NAME, error, isFile ? undefined : 'the way from URL to role is in docs/keycloak.md')]
  } finally {
    await directory?.close()
  }
}
