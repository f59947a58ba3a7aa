export { Api } from "./api/Api.js"
export * as RemoteTokenProvider from "./client/RemoteTokenProvider.js"
export { parseSettings, type Settings, SettingsError } from "./config/Settings.js"
export * as Server from "./Server.js"
