/** A directory of pages: users in the order of their names, among whom a test adds and deletes between two calls. */
import type { Directory, PageEntry, PageWish } from '../../src/directory/directory.ts'
import type { ErrorCode } from '../../src/errors.ts'
import type { DirectoryUser } from '../../src/directory/user.ts'

/** An enabled user whose name is also the local part of the address; what a test changes on top. */
export function pagedUser(name: string, change: Partial<DirectoryUser> = {}): DirectoryUser {
  return {
    id: `id-${name}`,
    username: name,
    email: `${name}@x.example`,
    emailVerified: true,
    enabled: true,
    lockedOut: false,
    requiredActions: [],
    firstName: '',
    lastName: '',
    hashes: [`{PLAIN}of ${name}`],
    template: undefined,
    ...change,
  }
}

export class PagedDirectory implements Directory {
  readonly #users = new Map<string, DirectoryUser>()
  /** Called before each page is answered, with the number of pages so far. */
  beforePage: (pages: number) => void = () => {}
  /** Said in place of the true number. */
  counted: number | undefined
  pages = 0
  lookups = 0
  hashVisible = true
  down: ErrorCode | undefined

  constructor(users: readonly DirectoryUser[] = []) {
    for (const user of users) this.set(user)
  }

  set(user: DirectoryUser): void {
    this.#users.set(user.username, user)
  }

  delete(username: string): void {
    this.#users.delete(username)
  }

  get sorted(): DirectoryUser[] {
    return [...this.#users.values()].sort((a, b) => (a.username < b.username ? -1 : 1))
  }

  async count(): Promise<number> {
    return this.counted ?? this.#users.size
  }

  async page({ first, max }: PageWish): Promise<readonly PageEntry[]> {
    this.beforePage(this.pages)
    this.pages += 1
    return this.sorted.slice(first, first + max).map((user) => ({ kind: 'user', user }))
  }

  async findByEmail(email: string) {
    this.lookups += 1
    const users = this.sorted.filter((user) => user.email === email)
    const [user] = users
    if (user === undefined) return { kind: 'absent' as const }
    return users.length === 1 ? { kind: 'found' as const, user } : { kind: 'ambiguous' as const, users }
  }

  async findById(id: string) {
    this.lookups += 1
    return this.sorted.find((user) => user.id === id)
  }

  async profile() {
    const { hashVisible } = this
    return { emailSelfChosen: false, hashVisible, hashSelfEdited: false, templateSelfEdited: false }
  }

  downBy(): ErrorCode | undefined {
    return this.down
  }

  async close(): Promise<void> {}
}
