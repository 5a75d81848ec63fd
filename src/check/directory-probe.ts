/** The directory as the connection test looks at it: a server with a way to it, or a file. */
import type { Directory } from '../directory/directory.ts'
import type { ServerProbe } from './server-probe.ts'

export type DirectoryProbe =
  | { readonly kind: 'keycloak'; readonly server: ServerProbe }
  | { readonly kind: 'realm-file'; readonly path: string; readonly directory: Directory }
