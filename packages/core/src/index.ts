/** Keeps a secret out of logs and messages: the one of `effect`, for code that imports nothing else of it. */
export { Redacted } from "effect"
export * from "./AccessToken.js"
export type { Challenge } from "./Challenge.js"
export { DirectHttpClient } from "./DirectHttpClient.js"
export * as Expiry from "./Expiry.js"
export * from "./Freshness.js"
export * as OAuth2 from "./OAuth2.js"
export type { DurationOption } from "./Options.js"
export { RefreshPolicy, type RefreshPolicyOptions, type ResolvedPolicy } from "./RefreshPolicy.js"
export * from "./Refusal.js"
export { SourceLimits, type SourceLimitsOptions } from "./SourceLimits.js"
export * from "./TokenCipher.js"
export * from "./TokenClient.js"
export * as TokenEndpoint from "./TokenEndpoint.js"
export * from "./TokenError.js"
export * from "./TokenEvent.js"
export * from "./TokenHttpClient.js"
export type { KeyRing, KeyService } from "./TokenKeys.js"
export { TokenProvider, type TokenProviderOptions } from "./TokenProvider.js"
export { type Renewal, TokenProviders, type TokenProvidersOptions } from "./TokenProviders.js"
export * from "./TokenRotation.js"
export * from "./TokenSet.js"
export {
  type SourceError,
  type SourceTraits,
  TokenSource,
  type TokenSourceOptions,
  type TraitOptions
} from "./TokenSource.js"
export * from "./TokenStatus.js"
export * from "./TokenStore.js"
export { TokenWorker, type TokenWorkerOptions, type WorkOptions } from "./TokenWorker.js"
export type { Answer } from "./Verdict.js"
export { WorkerSummary } from "./WorkerSummary.js"
