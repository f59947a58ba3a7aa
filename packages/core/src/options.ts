/** How the packages of Evertoken check options, so that all say the same of a wrong one. */
export * from "./model/Options.js"
export * from "./transport/SafeUrl.js"
