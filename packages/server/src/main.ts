#!/usr/bin/env node
import { readFileSync } from "node:fs"
import { typed } from "./cli/Arguments.js"

// What only prints loads nothing else; all the rest takes a second to load.
const asked = typed(process.argv.slice(2))
switch (asked._tag) {
  case "Help":
    process.stdout.write(asked.text)
    break
  case "Version": {
    const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))
    process.stdout.write(`${version}\n`)
    break
  }
  case "Wrong":
    process.stderr.write(`evertoken: arguments: ${asked.problem}\n`)
    process.exitCode = 1
    break
  case "Command":
    ;(await import("./cli/Run.js")).run(asked)
}
