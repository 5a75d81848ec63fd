/**
 * What a directory tells of changes by itself, as a port: Keycloak's admin and user events. It is an accelerator. Events
 * may be switched off, come late or be lost, so that ages of records stay the guarantee.
 */

/** One report of a change. */
export interface Change {
  /** Its id in the directory: it comes again where windows overlap. */
  readonly id: string
  /** When it happened, on the directory's clock. */
  readonly atMs: number
  readonly what: Changed
}

export type Changed =
  /** This user, in any way; `entire`: made, deleted or written as a whole, so that e-mail or `enabled` may differ. */
  | { readonly kind: 'user'; readonly id: string; readonly entire: boolean }
  /** The realm's rules: settings, user profile. */
  | { readonly kind: 'rules' }
  /** What is kept of events. */
  | { readonly kind: 'settings' }
  /** Many users at once, unnamed. */
  | { readonly kind: 'everything' }

export interface ChangeWindow {
  /** In no order; each once. */
  readonly changes: readonly Change[]
  /** Never later than the directory's clock was when it was asked; undefined where that is not known. */
  readonly asOfMs: number | undefined
  /** There were more than are read at once: the oldest are missing. */
  readonly isCut: boolean
}

export interface ChangeSettings {
  /** What is not kept and should be, such as `admin events`; empty where all is. */
  readonly missing: readonly string[]
  /** Older ones are deleted; undefined: never, or not shown. */
  readonly keptMs: number | undefined
}

/** Throws as a directory's look-ups do. */
export interface ChangeFeed {
  /** What is kept; `hidden`: our client may not see events. */
  settings(): Promise<ChangeSettings | 'hidden'>
  /** Where whoever knows nothing begins: the directory's time now, or its newest event. */
  begin(): Promise<number>
  /** What happened at or after this time on the directory's clock, up to 10,000 of each kind. */
  read(fromMs: number): Promise<ChangeWindow>
  /** The realm's rules were changed: the directory's next `profile()` is read anew. */
  expireRules(): void
}
