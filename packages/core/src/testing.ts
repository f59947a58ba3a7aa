export * from "./testing/StoreContract.js"
