export * as MemoryTokenStore from "./MemoryTokenStore.js"
