/**
 * `node bench/page-server.ts USERS`: pages of that many users as Keycloak's admin API shows them, and its token, made before
 * anybody asks: what a pass costs is the reader's. Prints `ready PORT`.
 */
import { createServer, type ServerResponse } from 'node:http'

const count = Number(process.argv[2])

function userText(at: number): string {
  const id = `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`
  const email = `user${String(at).padStart(7, '0')}@example.org`
  return JSON.stringify({
    id,
    username: email,
    firstName: 'First',
    lastName: `Last ${at}`,
    email,
    emailVerified: true,
    attributes: { mailcow_password: [`{BLF-CRYPT}$2y$10$${String(at).padStart(53, '0')}`] },
    enabled: true,
    createdTimestamp: 1_700_000_000_000 + at,
    totp: false,
    disableableCredentialTypes: [],
    requiredActions: [],
    notBefore: 0,
    access: { manageGroupMembership: false, view: true, mapRoles: false, impersonate: false, manage: false },
  })
}

const users = Array.from({ length: count }, (_, at) => userText(at))

function answer(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'application/json;charset=UTF-8' }).end(text)
}

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://localhost')
  request.resume()
  if (url.pathname.endsWith('/token')) {
    answer(response, JSON.stringify({ access_token: 'token', expires_in: 3600, token_type: 'Bearer' }))
  } else if (url.pathname.endsWith('/users/count')) {
    answer(response, String(count))
  } else {
    const first = Number(url.searchParams.get('first'))
    answer(response, `[${users.slice(first, first + Number(url.searchParams.get('max'))).join(',')}]`)
  }
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(`ready ${address.port}`)
})
