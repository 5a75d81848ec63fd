/** The steps over the directory in their order: the way there, who we are, what we may, what the realm allows. */
import type { Clock } from '../clock.ts'
import type { DirectoryConfig } from '../config/schema.ts'
import { toMailpassdError } from '../errors.ts'
import { judgeConnections, judgeName, judgePlain, judgeTls } from './connection.ts'
import type { DirectoryProbe } from './directory-probe.ts'
import { judgeAddress, judgeLatency, judgeNobody, NOBODY } from './lookup.ts'
import {
  judgeBruteForce,
  judgeDuplicates,
  judgeEmail,
  judgeEvents,
  judgeHashAttribute,
  judgeTemplateAttribute,
} from './realm.ts'
import type { PlannedStep } from './run-steps.ts'
import type { ServerProbe, TokenAnswer } from './server-probe.ts'
import { found } from './step.ts'
import { judgeClock, judgeRoles, judgeToken } from './token.ts'

const LOOKUPS = 5

export interface DirectoryPlan {
  readonly probe: DirectoryProbe
  readonly config: DirectoryConfig
  readonly clock: Clock
  /** A user to look for, in lower case. */
  readonly address: string | undefined
}

export function directorySteps(plan: DirectoryPlan): PlannedStep[] {
  return plan.probe.kind === 'keycloak' ? serverSteps(plan.probe.server, plan) : fileSteps(plan.probe, plan)
}

type Ask = Pick<ServerProbe, 'directory'>

/** Look-ups, of a server as of a file. */
function lookupSteps({ directory }: Ask, plan: DirectoryPlan, needs: readonly string[]): PlannedStep[] {
  const { address, config, clock } = plan
  return [
    { name: 'look-up', needs, run: async () => judgeNobody(await directory.findByEmail(NOBODY)) },
    ...(address === undefined
      ? []
      : [
          {
            name: 'address',
            needs: ['look-up'],
            run: async () => judgeAddress(address, await directory.findByEmail(address), config),
          },
        ]),
    {
      name: 'latency',
      needs: ['look-up'],
      async run() {
        const tookMs: number[] = []
        while (tookMs.length < LOOKUPS) {
          const startedAtMs = clock.monotonicMs()
          await directory.findByEmail(NOBODY)
          tookMs.push(clock.monotonicMs() - startedAtMs)
        }
        return judgeLatency(tookMs)
      },
    },
  ]
}

function serverSteps(server: ServerProbe, plan: DirectoryPlan): PlannedStep[] {
  const { config, clock } = plan
  const names = { url: server.url, realm: config.realm ?? '', clientId: config.client_id ?? '' }
  let addresses: readonly string[] = []
  let answer: TokenAnswer | undefined
  return [
    {
      name: 'name resolution',
      async run() {
        const resolved = await server.resolve()
        if (resolved.kind === 'resolved') addresses = resolved.addresses
        return judgeName(server.host, resolved)
      },
    },
    {
      name: 'TCP',
      needs: ['name resolution'],
      async run() {
        return judgeConnections(
          server.port,
          await Promise.all(addresses.map((address) => server.connect(address))),
        )
      },
    },
    {
      name: 'TLS',
      needs: ['TCP', 'directory.tls.ca_file'],
      async run() {
        if (!server.isEncrypted) return judgePlain(server.host)
        const { insecure, ca_file: caFile } = config.tls
        return judgeTls(await server.handshake(), {
          host: server.host,
          insecure,
          caFile,
          nowMs: clock.nowMs(),
        })
      },
    },
    {
      name: 'token',
      needs: ['TLS'],
      hint: 'is directory.server_url the base URL of Keycloak, and is Keycloak well? (docs/keycloak.md)',
      async run() {
        answer = await server.token()
        return judgeToken(answer, names)
      },
    },
    {
      name: 'clock',
      needs: ['TLS'],
      async run() {
        if (answer === undefined) return found.skipped('not known: there was no answer to a token request')
        return judgeClock(answer.times, answer.kind === 'given' ? answer.lifeSeconds : undefined)
      },
    },
    {
      name: 'roles',
      needs: ['token'],
      async run() {
        const roles = answer?.kind === 'given' ? answer.roles : undefined
        const look = roles === undefined ? await lookWithout(server) : 'answered'
        if (look === 'failed')
          return found.skipped('not known: the token does not show its roles, and a look-up failed')
        return judgeRoles(roles, look === 'answered')
      },
    },
    ...lookupSteps(server, plan, ['token']),
    ...realmSteps(server, plan),
  ]
}

/** What a look-up comes to where the token shows no roles: only a refusal says that there are none. */
async function lookWithout({ directory }: Ask): Promise<'answered' | 'refused' | 'failed'> {
  return directory.findByEmail(NOBODY).then(
    () => 'answered',
    (thrown: unknown) => (toMailpassdError(thrown).code === 'directory_refused' ? 'refused' : 'failed'),
  )
}

/** What the realm says of itself; refused where look-ups are. */
function realmSteps(server: ServerProbe, { config }: DirectoryPlan): PlannedStep[] {
  const { password_attribute: password, template_attribute: template } = config
  const needs = ['look-up']
  return [
    {
      name: 'password attribute',
      needs,
      async run() {
        return judgeHashAttribute(password, await server.attributeRule(password))
      },
    },
    {
      name: 'template attribute',
      needs,
      async run() {
        return judgeTemplateAttribute(await server.attributeRule(template), config)
      },
    },
    {
      name: 'e-mail',
      needs,
      async run() {
        const [realm, rule] = [await server.realm(), await server.attributeRule('email')]
        return judgeEmail(
          {
            // An e-mail that the profile does not declare cannot be trusted to be anybody's but the user's choice.
            selfEdited: rule.selfEdited || !rule.declared,
            registration: realm.registrationAllowed,
            verifies: realm.verifyEmail,
          },
          config.require_email_verified,
        )
      },
    },
    { name: 'duplicate e-mails', needs, run: async () => judgeDuplicates(await server.realm()) },
    {
      name: 'brute force',
      needs,
      async run() {
        const reason = await server.attributeRule('disabledReason')
        return judgeBruteForce(await server.realm(), config.lockout, reason)
      },
    },
    { name: 'events', needs, run: async () => judgeEvents(await server.events(), config) },
  ]
}

/** A file is read as a whole; what it holds is visible whatever its profile says. */
function fileSteps(
  { path, directory }: Extract<DirectoryProbe, { kind: 'realm-file' }>,
  plan: DirectoryPlan,
): PlannedStep[] {
  const { config } = plan
  const needs = ['realm file']
  return [
    {
      name: 'realm file',
      async run() {
        await directory.profile()
        return found.ok(path)
      },
    },
    ...lookupSteps({ directory }, plan, needs),
    {
      name: 'password attribute',
      needs,
      async run() {
        const { hashVisible: visible, hashSelfEdited: selfEdited } = await directory.profile()
        return judgeHashAttribute(config.password_attribute, { visible, selfEdited })
      },
    },
    {
      name: 'template attribute',
      needs,
      async run() {
        const { templateSelfEdited: selfEdited } = await directory.profile()
        return judgeTemplateAttribute({ selfEdited }, config)
      },
    },
    {
      name: 'e-mail',
      needs,
      async run() {
        const { emailSelfChosen: selfEdited } = await directory.profile()
        return judgeEmail(
          { selfEdited, registration: false, verifies: undefined },
          config.require_email_verified,
        )
      },
    },
  ]
}
