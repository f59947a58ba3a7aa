import {
  ClientRejected,
  InvalidOption,
  ReauthorizationRequired,
  RefreshInDoubt,
  type TokenClient
} from "@evertoken/core"
import { isUnknown } from "./GrantSource.js"

/** Nothing, where `error` says that only a login helps; else it is thrown again. */
export const needsLogin = (error: unknown): undefined => {
  if (error instanceof ReauthorizationRequired || error instanceof RefreshInDoubt) return undefined
  if (error instanceof ClientRejected && isUnknown(error.code)) return undefined
  throw error
}

/**
 * `fetch` for a transport that has our provider: what it sends with a token goes through the token client, which repairs
 * a 401. All else (discovery, registration, the exchange of a code) goes as it is. Where only a login helps, the server is
 * asked without a token, so that the SDK sees a 401 and logs in.
 */
export const mcpFetch =
  (
    tokens: TokenClient,
    serverUrl: string,
    refused: { spent: boolean },
    plain: () => typeof globalThis.fetch
  ): typeof globalThis.fetch =>
  async (input, init) => {
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined))
    if (!/^bearer /i.test(headers.get("authorization") ?? "")) return plain()(input, init)
    const { origin } = new URL(input instanceof Request ? input.url : input)
    if (origin !== new URL(serverUrl).origin) {
      throw new InvalidOption({ option: "serverUrl", expected: `the URL of the transport, whose origin is ${origin}` })
    }
    headers.delete("authorization")
    const response = await tokens.fetch(input, { ...init, headers }).catch(needsLogin)
    if (response === undefined) return plain()(input, { ...init, headers })
    if (response.status === 401) refused.spent = true
    return response
  }
