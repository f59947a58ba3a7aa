/** How one connection is doing. Instants are epoch milliseconds. */
export interface TokenStatus {
  readonly key: string
  /** The generation of the current tokens; undefined where there are none. */
  readonly generation: number | undefined
  readonly expiresAt: number | undefined
  /** When the refresh token ends, where that is known. */
  readonly refreshTokenExpiresAt: number | undefined
  /** When tokens were last saved under the key. */
  readonly lastSuccessAt: number | undefined
  readonly lastFailureAt: number | undefined
  /** What the last attempt failed with, such as `TokenEndpointError: unavailable`; undefined once one has succeeded. */
  readonly lastFailure: string | undefined
  /** No attempt is made before. */
  readonly nextAttemptAt: number | undefined
  /** Whether only a new login helps. */
  readonly reauthorizationRequired: boolean
}
