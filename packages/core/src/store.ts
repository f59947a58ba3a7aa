/** What a store of one's own needs: docs/stores.md. */
export * from "./store/TokenStore.js"
