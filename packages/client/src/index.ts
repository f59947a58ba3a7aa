// @evertoken/client: asks a token service.
// May import core, and Api.ts, which says what the service takes and gives.
// Must not know of settings, databases and Node.

export * as RemoteTokenProvider from "./RemoteTokenProvider.js"
