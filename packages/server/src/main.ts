#!/usr/bin/env node
import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { NodeRuntime } from "@effect/platform-node"
import { Cause, Config, Effect, Layer, Option, Predicate, Redacted } from "effect"
import { newApiKey } from "./ApiKeys.js"
import * as Log from "./Log.js"
import * as Server from "./Server.js"
import { parseSettings, SettingsError } from "./Settings.js"

const help = `Evertoken: hands out valid access tokens over HTTP, and renews every token ahead of time.

  evertoken [serve]          serves the API and the status page, and renews tokens
  evertoken check            says whether the configuration is good, and stops
  evertoken api-key          makes an API key: shown once, with the hash to configure
  evertoken encryption-key   makes a key for EVERTOKEN_KEYS

Options of serve and check
  --config <file>   the configuration                  default: evertoken.json
  --worker-only     renews tokens, serves /health, /ready and /metrics alone
  --no-worker       serves, and renews only what is asked for
  --help            shows this

Environment
  EVERTOKEN_CONFIG  the configuration itself as JSON, instead of a file
  EVERTOKEN_KEYS    encryption keys, the current one first: 2026-09=…,2026-03=…
  DATABASE_URL      file:evertoken.db (the default), postgres://… or mysql://…
  EVERTOKEN_LOG     json, or pretty for a person (the default on a terminal)
  EVERTOKEN_LOG_LEVEL  debug, info (the default), warning or error
`

const program = Effect.gen(function* () {
  const { positionals, values } = yield* Effect.try({
    try: () =>
      parseArgs({
        allowPositionals: true,
        options: {
          config: { type: "string" },
          "worker-only": { type: "boolean" },
          "no-worker": { type: "boolean" },
          help: { type: "boolean", short: "h" }
        }
      }),
    catch: () => new SettingsError({ setting: "arguments", problem: "see evertoken --help" })
  })
  const [command = "serve", ...more] = positionals
  if (values.help === true) return yield* say(help)
  if (more.length > 0) return yield* new SettingsError({ setting: "arguments", problem: "see evertoken --help" })
  if (command === "api-key") {
    const { hash, key } = newApiKey()
    return yield* say(`API key, shown only now: ${Redacted.value(key)}\nhash to configure:       ${hash}\n`)
  }
  if (command === "encryption-key") {
    const id = new Date().toISOString().slice(0, 7)
    return yield* say(`EVERTOKEN_KEYS=${id}=${randomBytes(32).toString("base64url")}\n`)
  }
  if (command !== "serve" && command !== "check") {
    return yield* new SettingsError({ setting: "arguments", problem: `there is no such command; see evertoken --help` })
  }
  const settings = yield* read(values.config)
  const [only, none] = [values["worker-only"] === true, values["no-worker"] === true]
  if (only && none) {
    return yield* new SettingsError({ setting: "--worker-only", problem: "with --no-worker nothing is left to do" })
  }
  const service = Server.layer(settings, { api: !only, worker: !none })
  if (command === "serve") return yield* Layer.launch(service)
  yield* Effect.scoped(
    Layer.build(Server.layer({ ...settings, listen: { host: "127.0.0.1", port: 0 } }, { api: !only, worker: false }))
  )
  return yield* say("The configuration is good.\n")
})

const read = Effect.fnUntraced(function* (path: string | undefined) {
  const inline = yield* Effect.option(Config.redacted("EVERTOKEN_CONFIG"))
  const file = path ?? "evertoken.json"
  const json =
    path === undefined && Option.isSome(inline)
      ? Redacted.value(inline.value)
      : yield* Effect.try({
          try: () => readFileSync(file, "utf8"),
          catch: () =>
            new SettingsError({
              setting: "--config",
              problem: `${file} cannot be read; name a file, or set EVERTOKEN_CONFIG`
            })
        })
  const settings = parseSettings(json)
  return settings instanceof SettingsError ? yield* settings : settings
})

const say = (text: string) => Effect.sync(() => void process.stdout.write(text))

/** One line for a person; never a cause, which could hold an address with a password. */
const told = (cause: Cause.Cause<unknown>) =>
  Effect.sync(() => {
    if (Cause.isInterruptedOnly(cause)) return
    const error = Cause.squash(cause)
    const known =
      Predicate.isTagged(error, "SettingsError") ||
      Predicate.isTagged(error, "InvalidOption") ||
      Predicate.isTagged(error, "TokenStoreError")
    process.stderr.write(`evertoken: ${known && error instanceof Error ? error.message : "it failed"}\n`)
  })

NodeRuntime.runMain(Effect.tapErrorCause(Effect.provide(program, Log.layer), told), {
  disableErrorReporting: true,
  disablePrettyLogger: true
})
