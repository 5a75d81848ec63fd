/** Suites that need servers: skipped with a reason where one is absent, failing where all must be there. */
import t, { type Test } from 'tap'

/** Set by .ci/run and by whoever ran `npm run servers`: nothing may be skipped. */
const ALL_REQUIRED = process.env['MAILPASSD_REQUIRE_SERVERS'] === '1'

/**
 * A sub-test that runs when none of the reasons is there. With MAILPASSD_REQUIRE_SERVERS=1 a reason is a failure.
 */
export function suite(
  name: string,
  reasons: readonly (string | undefined)[],
  body: (t: Test) => Promise<void>,
): void {
  const reason = reasons.find((candidate) => candidate !== undefined)
  if (reason === undefined) {
    t.test(name, body)
  } else if (ALL_REQUIRED) {
    t.test(name, (t) => {
      t.fail(reason)
      t.end()
    })
  } else {
    t.test(name, { skip: reason }, body)
  }
}

/** Why there is no Keycloak for this run, or undefined. */
export function keycloakMissing(): string | undefined {
  return process.env['MAILPASSD_TEST_KEYCLOAK'] === undefined ? 'no Keycloak (npm run servers)' : undefined
}

/** Why there is no MariaDB for this run, or undefined. */
export function mariadbMissing(): string | undefined {
  return process.env['MAILPASSD_TEST_MARIADB'] === undefined ? 'no MariaDB (npm run servers)' : undefined
}
