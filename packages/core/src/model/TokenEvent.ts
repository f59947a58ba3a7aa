import * as Data from "effect/Data"

/** What happened to the tokens of a key, and why. Carries no secret. */
export type TokenEvent = Data.TaggedEnum<{
  /** A new generation was fetched by this process. */
  Refreshed: {
    readonly key: string
    readonly generation: number
    readonly by: "login" | "refresh"
    readonly expiresAt: number | undefined
  }
  /** A new generation that somebody else fetched was found in the store. */
  Adopted: { readonly key: string; readonly generation: number; readonly expiresAt: number | undefined }
  /** An attempt failed; nobody asks again before `retryAt`. `served` says whether the old token still holds. */
  RefreshFailed: {
    readonly key: string
    readonly error: string
    readonly message: string
    readonly retryAt: number
    readonly served: boolean
  }
  /** The grant was refused for good: a person has to log in. */
  ReauthorizationNeeded: { readonly key: string; readonly reason: string }
  /** The refresh token itself ends at `at` (epoch milliseconds): ask for a new login before. */
  ReauthorizationSoon: { readonly key: string; readonly at: number }
  /** An answer was lost after a refresh token was presented. */
  InDoubt: { readonly key: string; readonly presentedAt: number }
  /** A refresh token whose first answer was lost was presented again. */
  Replayed: { readonly key: string }
  /** Fresh tokens could not be saved; they are kept in memory and saving is tried until it works. */
  SaveFailed: { readonly key: string; readonly generation: number }
  /** Tokens that could not be saved at first are saved now. */
  Saved: { readonly key: string; readonly generation: number }
  /** The store had an older generation, `over`, than this process had kept, so it lost commits; the newer tokens were put back. */
  Restored: { readonly key: string; readonly generation: number; readonly over: number }
  /** The resource server refused the current token. */
  Rejected: { readonly key: string; readonly generation: number }
  /** The resource server refuses fresh tokens one after another: a matter of permission, so they are not renewed for it now. */
  RejectionsIgnored: { readonly key: string; readonly generation: number }
  /** Nobody said when the new token ends; it is renewed on a 401 only. */
  ExpiryUnknown: { readonly key: string; readonly generation: number }
  /** The authorization server granted less than before. */
  ScopeReduced: { readonly key: string; readonly scopes: ReadonlyArray<string> }
  /** Tokens got elsewhere were put. */
  Put: { readonly key: string; readonly generation: number }
  /** The tokens were removed. */
  Forgotten: { readonly key: string }
}>

/** Constructors and matchers of `TokenEvent`. */
export const TokenEvent = Data.taggedEnum<TokenEvent>()
