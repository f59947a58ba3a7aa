import * as Redacted from "effect/Redacted"
import type { AccessToken } from "../model/AccessToken.js"
import type { TokenClient } from "./TokenClient.js"

/** A `StreamingCredentialsProvider` of `@redis/client`. */
export interface RedisCredentials {
  readonly type: "streaming-credentials-provider"
  readonly subscribe: (listener: {
    readonly onNext: (credentials: RedisLogin) => void
    readonly onError: (error: Error) => void
  }) => Promise<[RedisLogin, { readonly dispose: () => void }]>
  readonly onReAuthenticationError: (error: Error) => void
}

interface RedisLogin {
  readonly username: string
  readonly password: string
}

/**
 * Credentials whose password is the token of `client`: a connection logs in with the current one, and again with each
 * newer one. `failed` hears of a login that Redis refused.
 */
export const redisCredentials = (
  client: Pick<TokenClient, "get" | "subscribe">,
  username: string,
  failed: (error: Error) => void = () => {}
): RedisCredentials => ({
  type: "streaming-credentials-provider",
  subscribe: async ({ onNext }) => {
    const login = ({ value }: AccessToken) => ({ username, password: Redacted.value(value) })
    const first = await client.get()
    const dispose = client.subscribe((token) => {
      if (token.generation > first.generation) onNext(login(token))
    })
    return [login(first), { dispose }]
  },
  onReAuthenticationError: failed
})
