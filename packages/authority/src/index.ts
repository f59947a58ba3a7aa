export * from "./Authority.js"
export * from "./Command.js"
export * from "./Fault.js"
export * from "./LogEntry.js"
