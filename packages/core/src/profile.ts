/** What providers are like, as data: docs/providers.md. */
export * from "./profile/apiOf.js"
export * from "./profile/fromProfile.js"
export type { ProfileInputs } from "./profile/ProfileInputs.js"
export { ProviderProfile } from "./profile/ProviderProfile.js"
