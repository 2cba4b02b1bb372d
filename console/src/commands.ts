/** The command lines that the console shows. Pure. */

/** Quick, but the token stays in the shell's history. */
export function enrollCommand(origin: string, secret: string): string {
  return `doorward enroll --server ${origin} --token ${secret}`;
}

/** Reads the token from its input: it is neither in the history nor in the list of processes. */
export function quietEnrollCommand(origin: string): string {
  return `doorward enroll --server ${origin} --token-file -`;
}
