/** Keeps a secret out of logs and messages: the one of `effect`, for code that imports nothing else of it. */
export * as Redacted from "effect/Redacted"
export type { OriginOptions } from "./http/AllowedOrigins.js"
export type { CarrierOptions } from "./http/AuthorizationHeader.js"
export type { Answer } from "./http/RejectionCheck.js"
export type { RepairOptions } from "./http/RepairOptions.js"
export type { AddressOptions } from "./http/TokenAddress.js"
export * from "./http/TokenHttpClient.js"
export * from "./http/UnauthorizedReason.js"
export type { Challenge } from "./http/WwwAuthenticate.js"
export * from "./model/AccessToken.js"
export type { DurationOption } from "./model/Options.js"
export { RefreshPolicy, type RefreshPolicyOptions } from "./model/RefreshPolicy.js"
export { SecretInText } from "./model/Secret.js"
export { SourceLimits, type SourceLimitsOptions } from "./model/SourceLimits.js"
export * from "./model/TokenError.js"
export * from "./model/TokenEvent.js"
export * from "./model/TokenSet.js"
export {
  type SourceError,
  type SourceTraits,
  TokenSource,
  type TokenSourceOptions,
  type TraitOptions
} from "./model/TokenSource.js"
export * from "./model/TokenStatus.js"
export * as Expiry from "./oauth2/Expiry.js"
export * as OAuth2 from "./oauth2/OAuth2.js"
export * as TokenEndpoint from "./oauth2/TokenEndpoint.js"
export {
  TokenClient,
  type TokenClientOptions,
  type TokenClientProviderOptions,
  type TokenFetchInit,
  type TokenHeaderOptions,
  type TokenRequestOptions
} from "./promise/TokenClient.js"
export { TokenClients } from "./promise/TokenClients.js"
export { TokenProvider, type TokenProviderOptions } from "./provider/TokenProvider.js"
export { type Renewal, TokenProviders, type TokenProvidersOptions } from "./provider/TokenProviders.js"
export { TokenStore } from "./store/TokenStore.js"
export { DirectHttpClient } from "./transport/DirectHttpClient.js"
export { TokenWorker, type TokenWorkerOptions, type WorkOptions } from "./worker/TokenWorker.js"
export { WorkerSummary } from "./worker/WorkerSummary.js"
