// The waits between attempts to reach a server that does not answer.

/** Milliseconds. The tests shorten them. */
export const waits = {
  /** Before the first retry: most servers that vanish only restart. */
  first: 100,
  /** A client is back soon after its server. */
  longest: 5000,
};

/**
 * Returns the milliseconds to wait after that many failures in a row, counted from 0. Each
 * wait is about twice the one before, and random within its upper half, so that many
 * clients do not retry at the same moment.
 */
export function delay(failures: number): number {
  const longest = Math.min(waits.first * 2 ** Math.min(failures, 16), waits.longest);
  return longest * (0.5 + Math.random() / 2);
}
