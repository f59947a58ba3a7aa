import type { TokenClient } from "./TokenClient.js"

/** Hooks for `got.extend({ hooks })`. */
export interface GotHooks {
  readonly beforeRequest: Array<(options: GotOptions) => Promise<void>>
  readonly afterResponse: Array<
    <Response extends GotResponse>(response: Response, again: (options: object) => never) => Promise<Response>
  >
}

interface GotOptions {
  readonly url?: string | URL | undefined
  readonly headers: Record<string, string | Array<string> | undefined>
}

interface GotResponse {
  readonly statusCode: number
  readonly request: { readonly options: { readonly headers: Record<string, string | Array<string> | undefined> } }
}

/**
 * Hooks that give got the tokens of `client`, for its declared origins, and send a request that was answered by 401 once
 * more with a newer token.
 */
export const gotTokens = (client: Pick<TokenClient, "header" | "reject">): GotHooks => ({
  beforeRequest: [
    async ({ headers, url }) => {
      Object.assign(headers, await client.header({ url }))
    }
  ],
  afterResponse: [
    async (response, again) => {
      const { authorization } = response.request.options.headers
      if (response.statusCode !== 401 || typeof authorization !== "string") return response
      await client.reject(authorization)
      return again({})
    }
  ]
})
