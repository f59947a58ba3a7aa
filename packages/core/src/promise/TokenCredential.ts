import * as Redacted from "effect/Redacted"
import type { TokenClient } from "./TokenClient.js"

/** A `TokenCredential` of `@azure/core-auth`. */
export interface TokenCredential {
  readonly getToken: (
    scopes: string | Array<string>,
    options?: { readonly claims?: string }
  ) => Promise<{ readonly token: string; readonly expiresOnTimestamp: number }>
}

/**
 * The credential that the clients of Azure take. They keep a token till shortly before its end, and ask for a newer one
 * where the resource server answers with a claims challenge (continuous access evaluation).
 */
export const tokenCredential = (client: Pick<TokenClient, "get" | "refresh">): TokenCredential => ({
  getToken: async (_, options) => {
    const token = await (options?.claims === undefined ? client.get({ minValidity: "5 minutes" }) : client.refresh())
    return { token: Redacted.value(token.value), expiresOnTimestamp: token.expiresAt ?? Date.now() + AN_HOUR }
  }
})

/** For a token whose end nobody said. */
const AN_HOUR = 3_600_000
