export { parseSettings, type Settings, SettingsError } from "./config/Settings.js"
export * as Server from "./Server.js"
