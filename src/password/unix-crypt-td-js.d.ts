/** unix-crypt-td-js ships no types; this is the part that des-crypt.ts uses. */
declare module 'unix-crypt-td-js' {
  function unixCrypt(password: ArrayLike<number>, salt: string): string
  export = unixCrypt
}
