/** What a store of one's own needs: docs/stores.md. */
export { Failure } from "./store/Failure.js"
export * from "./store/TokenStore.js"
export * from "./store/TokenStoreBackend.js"
