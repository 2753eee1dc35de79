/** A platform's refusal. Whether it can go better is told by the platform's code, never by its words. */
export class PlatformError extends Error {
  readonly code: string
  /** Trying again does not help. */
  readonly permanent: boolean
  readonly retryAfterMs: number | null

  constructor(
    message: string,
    { code, permanent, retryAfterMs = null }: { code: string; permanent: boolean; retryAfterMs?: number | null },
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.name = 'PlatformError'
    this.code = code
    this.permanent = permanent
    this.retryAfterMs = retryAfterMs
  }
}
