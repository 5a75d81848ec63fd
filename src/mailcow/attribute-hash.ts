/**
 * `attribute_hash` in mailbox.attributes: by it mailcow's PHP knows that a template has not changed since it was
 * applied. Written as PHP would, PHP leaves the mailbox alone at its own logins; any other value makes it apply the
 * template anew each time.
 */
import { createHash } from 'node:crypto'

/** What json_encode() escapes and JSON.stringify() does not: the slash, and everything beyond ASCII. */
const PHP_ESCAPES = /[/\u0080-\uffff]/g

/**
 * The hash of a template's text as it stands in `templates.attributes`. PHP encodes that text once more, as one JSON
 * string with its default flags, before it hashes: facts of mailcow's `add mailbox_from_template`. Lower-case hex.
 */
export function attributeHash(raw: string): string {
  const encoded = JSON.stringify(raw).replace(PHP_ESCAPES, (unit) =>
    unit === '/' ? '\\/' : `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return createHash('sha1').update(encoded, 'latin1').digest('hex')
}
