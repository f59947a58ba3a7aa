export { Api } from "./Api.js"
export * as RemoteTokenProvider from "./RemoteTokenProvider.js"
export * as Server from "./Server.js"
export { parseSettings, type Settings, SettingsError } from "./Settings.js"
