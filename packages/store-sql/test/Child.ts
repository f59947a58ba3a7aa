import { spawn } from "node:child_process"
import { createRequire } from "node:module"
import { dirname } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { Effect, Queue, Schema, type Scope } from "effect"
import { build } from "esbuild"

/** A process of its own, with one provider on the store that all share. */
export interface Child {
  readonly order: (
    what: "get" | "refresh" | "go",
    how?: { readonly callers?: number; readonly turns?: number }
  ) => Effect.Effect<void>
  /** The next thing it says. */
  readonly said: Effect.Effect<Said>
  readonly signal: (signal: "SIGKILL" | "SIGSTOP" | "SIGCONT") => Effect.Effect<void>
}

export const Said = Schema.Struct({
  ready: Schema.optional(Schema.Number),
  at: Schema.optional(Schema.String),
  generations: Schema.optional(Schema.Array(Schema.Number)),
  value: Schema.optional(Schema.Array(Schema.String)),
  error: Schema.optional(Schema.String),
  reason: Schema.optional(Schema.String),
  broken: Schema.optional(Schema.String)
})
export type Said = typeof Said.Type

/** What a child is told at its start. */
export interface ChildSettings {
  readonly url: string
  readonly table: string
  readonly key: string
  readonly tokenEndpoint: string
  /** Milliseconds, as below. */
  readonly lease?: number
  readonly replay?: "once" | "never"
  readonly replayWindow?: number
  readonly stop?: "nowhere" | "before" | "after"
}

/** Starts a child and waits until it is ready. It ends with the scope, whatever state it is in. */
export const startChild = (settings: ChildSettings): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { modules, program } = yield* bundled("childMain")
    const all = { lease: 2_000, replay: "once", replayWindow: 0, stop: "nowhere", ...settings }
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [program, JSON.stringify(all)], {
          stdio: ["pipe", "pipe", "inherit"],
          env: { ...process.env, NODE_PATH: modules }
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const lines = yield* Queue.unbounded<Said>()
    createInterface(child.stdout).on("line", (line) => lines.unsafeOffer(decode(line)))
    child.stdin.on("error", () => {})
    const said = Effect.flatMap(lines.take, (line) =>
      line.broken === undefined ? Effect.succeed(line) : Effect.dieMessage(`The child broke: ${line.broken}`)
    )
    yield* said
    return {
      order: (what, how) => Effect.sync(() => child.stdin.write(`${JSON.stringify({ do: what, ...how })}\n`)),
      said,
      signal: (signal) => Effect.sync(() => child.kill(signal))
    }
  })

/** A program beside this file in one file, which starts in a sixth of the time that its many sources take. */
export const bundled = (name: string) =>
  Effect.promise(() => {
    const made = bundles.get(name) ?? bundle(name)
    bundles.set(name, made)
    return made
  })

const bundles = new Map<string, Promise<{ readonly program: string; readonly modules: string }>>()

const bundle = async (name: string) => {
  const program = fileURLToPath(new URL(`../../../node_modules/.cache/evertoken/${name}.cjs`, import.meta.url))
  await build({
    entryPoints: [fileURLToPath(new URL(`./${name}.ts`, import.meta.url))],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "cjs",
    conditions: ["@evertoken/source"],
    external: ["better-sqlite3", "pg-native"],
    logLevel: "error"
  })
  const native = createRequire(import.meta.url).resolve("better-sqlite3/package.json")
  return { program, modules: dirname(dirname(native)) }
}

const decode = Schema.decodeUnknownSync(Schema.parseJson(Said))
