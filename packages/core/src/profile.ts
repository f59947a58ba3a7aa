/** What providers are like, as data: docs/providers.md. */
export * from "./profile/apiOf.js"
export { decodeProfile } from "./profile/decodeProfile.js"
export * from "./profile/fromProfile.js"
export type { ProfileInputs } from "./profile/ProfileInputs.js"
export { ComputedValue, type JsonValue, ProfileRequest } from "./profile/ProfileValues.js"
export { ProviderProfile } from "./profile/ProviderProfile.js"
export { type UnknownName, unknownName } from "./profile/unknownName.js"
