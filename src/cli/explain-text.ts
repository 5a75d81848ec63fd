/** An explanation for people: a checklist, the answer, what to do, the last logins. Texts in it are clean already. */
import { ageText } from '../explain/amounts.ts'
import type { Check, CredentialAnswer, Explanation, Todo } from '../explain/explanation.ts'
import type { LoginLine } from '../login-log/line.ts'
import { columns } from './columns.ts'

const MARKS = { ok: 'ok', yes: 'ok', no: 'NO', unknown: '??', note: '--' } as const satisfies Record<
  Check['state'] | Explanation['answer'],
  string
>

const ANSWERS = {
  yes: 'yes, with the right password',
  no: 'no',
  unknown: 'not known now',
} as const satisfies Record<Explanation['answer'], string>

/** The whole text, with its last line ended. */
export function explanationText(explanation: Explanation): string {
  const { address, name, service, network, rows_age_ms: ageMs, checks, credentials, todo } = explanation
  const from = network === 'unknown' ? '' : ` from ${network}`
  const age = ageMs === null || ageMs < 1000 ? '' : ` (rows read ${ageText(ageMs)} ago)`
  const parts = [
    `Can ${address ?? name} log in over ${service}${from}? ${ANSWERS[explanation.answer]}${age}`,
    columns(checks.map((check) => [MARKS[check.state], check.room.replaceAll('_', ' '), check.text])),
    `With\n${columns(credentials.map(credentialRow))}${credentials.map(changesText).join('')}`,
    todo.length === 0 ? '' : `What to do\n${todo.map(todoText).join('')}`,
    attemptsText(explanation.attempts),
  ]
  return parts
    .filter((part) => part !== '')
    .map((part) => part.replace(/\n*$/, '\n'))
    .join('\n')
}

function credentialRow({ id, name, answer, verdict, why, meaning }: CredentialAnswer): string[] {
  const what = id === 'main' ? 'main password' : `${id}${name === null || name === '' ? '' : ` ${name}`}`
  return [MARKS[answer], what, answer === 'yes' ? 'gets in' : `${verdict}, ${why}: ${meaning}`]
}

function changesText({ id, changes }: CredentialAnswer): string {
  if (changes.length === 0 || id !== 'main') return ''
  return `\nThat login would\n${changes.map((change) => `  ${change}\n`).join('')}`
}

function todoText({ text, command }: Todo, index: number): string {
  const line = `  ${index + 1}. ${text}\n`
  return command === undefined ? line : `${line}       ${command}\n`
}

function attemptsText(attempts: readonly LoginLine[] | null): string {
  if (attempts === null) return 'Last logins: could not be read\n'
  if (attempts.length === 0) return 'Last logins: none in the log\n'
  return `Last logins (UTC)\n${columns(attempts.map(attemptRow))}`
}

function attemptRow({ last, count, verdict, why, service, network, credential }: LoginLine): string[] {
  const at = last.slice(0, 19).replace('T', ' ')
  return [at, verdict, why, service, network, credential, count === 1 ? '' : `${count} times`]
}
