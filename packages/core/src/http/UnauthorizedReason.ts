import * as Data from "effect/Data"
import type { Challenge } from "./WwwAuthenticate.js"

/**
 * Why a response that refuses the token was handed out, and not repaired by a newer token.
 * - `BodyNotReplayable`: the token was renewed, but the body can be sent once only: send the request again with a new one
 * - `InsufficientScope`: the token is good and lacks a scope; no newer one would help
 * - `ClaimsRequired`: the server wants claims that a refresh alone does not bring: send the person to log in with them
 * - `RetriesSpent`: newer tokens were refused too, or there was none: look at permissions, audience and scopes
 * - `NonceRequired`: the server asked for a nonce that the proof had
 * - `OriginNotDeclared`: it got no token, since neither `origins` nor `baseUrl` names its origin
 * - `WithoutRetry`: the caller asked not to repair this call
 */
export type Refusal = Data.TaggedEnum<{
  BodyNotReplayable: { readonly challenges: ReadonlyArray<Challenge> }
  InsufficientScope: { readonly scope: string | undefined; readonly challenges: ReadonlyArray<Challenge> }
  ClaimsRequired: { readonly claims: string; readonly challenges: ReadonlyArray<Challenge> }
  RetriesSpent: { readonly challenges: ReadonlyArray<Challenge> }
  NonceRequired: { readonly challenges: ReadonlyArray<Challenge> }
  OriginNotDeclared: { readonly origin: string; readonly challenges: ReadonlyArray<Challenge> }
  WithoutRetry: { readonly challenges: ReadonlyArray<Challenge> }
}>

/** Constructors and matchers of `Refusal`. */
export const Refusal = Data.taggedEnum<Refusal>()
