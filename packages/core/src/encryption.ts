/** Encryption of what a store keeps, and its keys: docs/stores.md. */
export type { KeyRing, KeyService } from "./store/EncryptionKeys.js"
export * from "./store/KeyRotation.js"
export * from "./store/TokenCipher.js"
