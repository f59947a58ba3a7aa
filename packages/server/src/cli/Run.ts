// cli/: The commands.
// May import http/, observability/, config/ and Server.
// Must not know of the protocol.

import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { newApiKey } from "../config/ApiKeys.js"
import { parseSettings, SettingsError } from "../config/Settings.js"
import type { Keeping } from "../config/Store.js"
import * as Log from "../observability/Log.js"
import type { CommandName, Typed } from "./Arguments.js"
import * as Maintenance from "./Maintenance.js"
import { restored } from "./Restored.js"

type Command = Extract<Typed, { _tag: "Command" }>

/** Runs a command until it is done, and ends the process with the exit code that the help tells. */
export const run = (typed: Command): void => {
  const stopped = typed.command === "serve" ? 0 : 130
  NodeRuntime.runMain(Effect.tapErrorCause(Effect.provide(PROGRAMS[typed.command](typed), Log.layer), told), {
    disableErrorReporting: true,
    disablePrettyLogger: true,
    teardown: (exit, end) =>
      end(
        Exit.match(exit, {
          onSuccess: (code) => (Predicate.isNumber(code) ? code : 0),
          onFailure: (cause) => (Cause.isInterruptedOnly(cause) ? stopped : 1)
        })
      )
  })
}

/** What each command does; the number is its exit code. The others need nothing of the server, and start without it. */
const PROGRAMS: Readonly<Record<CommandName, (typed: Command) => Effect.Effect<number, unknown>>> = {
  serve: Effect.fnUntraced(function* (typed) {
    const [settings, parts] = [yield* settingsOf(typed), yield* partsOf(typed)]
    const Server = yield* Effect.promise(() => import("../Server.js"))
    return yield* Layer.launch(Server.layer(settings, parts))
  }),
  check: Effect.fnUntraced(function* (typed) {
    const [settings, parts] = [yield* settingsOf(typed), yield* partsOf(typed)]
    const { check } = yield* Effect.promise(() => import("./Check.js"))
    return yield* check(settings, parts, typed.given("try"))
  }),
  migrate: (typed) => Effect.flatMap(keepingOf(typed), Maintenance.migrate),
  report: (typed) => Effect.flatMap(keepingOf(typed), Maintenance.report),
  rotate: (typed) =>
    Effect.flatMap(keepingOf(typed), (settings) => Maintenance.rotate(settings, { plain: typed.given("plain") })),
  restored: (typed) =>
    Effect.flatMap(keepingOf(typed), (settings) =>
      restored(settings, {
        before: typed.values("before")[0],
        patterns: typed.values("keys"),
        yes: typed.given("yes")
      })
    ),
  profile: Effect.fnUntraced(function* ({ values }) {
    const { profileAnswer } = yield* Effect.promise(() => import("./ProfileAnswer.js"))
    return yield* profileAnswer(values("profile")[0], values("answer")[0])
  }),
  "api-key": () =>
    Effect.sync(() => {
      const { hash, key } = newApiKey()
      process.stdout.write(`API key, shown only now: ${Redacted.value(key)}\nhash to configure:       ${hash}\n`)
      return 0
    }),
  "encryption-key": () =>
    Effect.sync(() => {
      const id = new Date().toISOString().slice(0, 7)
      process.stdout.write(`EVERTOKEN_KEYS=${id}=${randomBytes(32).toString("base64url")}\n`)
      return 0
    })
}

const partsOf = Effect.fnUntraced(function* ({ given }: Command) {
  if (given("worker-only") && given("no-worker")) {
    return yield* new SettingsError({ setting: "--worker-only", problem: "with --no-worker nothing is left to do" })
  }
  return { api: !given("worker-only"), worker: !given("no-worker") }
})

const settingsOf = Effect.fnUntraced(function* ({ values }: Command) {
  const [path] = values("config")
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

/** Where there is no configuration at all, `DATABASE_URL` says enough. */
const keepingOf = (typed: Command): Effect.Effect<Keeping, SettingsError> =>
  Effect.catchAll(settingsOf(typed), (error) =>
    Effect.flatMap(Effect.option(Config.redacted("DATABASE_URL")), (given) =>
      error.setting === "--config" && typed.values("config").length === 0 && Option.isSome(given)
        ? Effect.succeed<Keeping>({ encryption: "on" })
        : error
    )
  )

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
