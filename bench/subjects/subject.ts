/** A server under load. */
export interface Subject {
  /** As the table calls it. */
  readonly name: string
  /** Of its SASL listener, as the load client takes it: `unix:PATH`, or the same over TCP. */
  readonly unix: string
  readonly tcp: string
  /** CPU time that it used so far, in microseconds, of all processes that answer logins. */
  cpuUs(): number
}
