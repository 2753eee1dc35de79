const share = 0.2

/** A factor for a wait, give or take a fifth: those that failed together do not try again together. */
export function jitter(random: () => number = Math.random): number {
  return 1 - share + 2 * share * random()
}
