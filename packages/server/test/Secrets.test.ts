import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Either, Redacted } from "effect"
import { encryptionKeys, secretAt } from "../src/config/Secrets.js"
import { cipher } from "../src/config/Store.js"

describe("secrets", () => {
  it.scoped("are found in a file, in a variable, and in a file that a variable names", () =>
    Effect.gen(function* () {
      const { file, find } = yield* prepare
      assert.strictEqual(yield* find("env:DIRECT"), "s3cret")
      assert.strictEqual(yield* find(`file:${file("secret", "  s3cret\n")}`), "s3cret")
      assert.strictEqual(yield* find("env:FILE"), "s3cret")
      assert.strictEqual(yield* find("env:OTHER"), "s3cret")
    })
  )

  it.scoped("what a file holds is the secret itself, whatever it looks like", () =>
    Effect.gen(function* () {
      const { file, find } = yield* prepare
      assert.strictEqual(yield* find(`file:${file("odd", "env:DIRECT\n")}`), "env:DIRECT")
    })
  )

  it.scoped(
    "one that is missing or empty is told by the setting and by the name of its place, never with the secret",
    () =>
      Effect.gen(function* () {
        const { file, find, path } = yield* prepare
        const empty = file("empty", " \n")
        const cases = [
          ["env:ABSENT", "the environment variable ABSENT is not set"],
          ["env:EMPTY", "the environment variable EMPTY is not set"],
          [`file:${path}/none`, `the file ${path}/none cannot be read`],
          [`file:${empty}`, `the file ${empty} is empty`],
          ["env:NOWHERE", `the file ${path}/none cannot be read`],
          ["env:LOOP", "the environment variable LOOP leads nowhere"]
        ] as const
        for (const [place, problem] of cases) {
          assert.strictEqual(yield* Effect.flip(find(place)), `connections[0].clientSecret: ${problem}`)
        }
      })
  )

  it.scoped("encryption keys are found there too, in a file also one a line", () =>
    Effect.gen(function* () {
      const { environment, file, path } = yield* prepare
      const [k1, k2] = [`k1=${"A".repeat(42)}E`, `k2=${"B".repeat(42)}E`]
      const written = (EVERTOKEN_KEYS: string, effect = encryptionKeys) =>
        Effect.either(Effect.withConfigProvider(effect, environment({ EVERTOKEN_KEYS })))
      for (const one of [
        `${k2},${k1}`,
        `file:${file("keys", `${k2},${k1}\n`)}`,
        `file:${file("lines", `${k2}\r\n\n${k1}\n`)}`,
        "env:FILE_KEYS"
      ]) {
        const found = yield* written(one)
        assert.strictEqual(Either.isRight(found) && Redacted.value(found.right), `${k2},${k1}`, one)
        const made = yield* Effect.withConfigProvider(cipher, environment({ EVERTOKEN_KEYS: one }))
        assert.strictEqual(yield* made.current, "k2")
      }
      const cases = [
        ["", "EVERTOKEN_KEYS: they are not set"],
        ["env:ABSENT", "EVERTOKEN_KEYS: the environment variable ABSENT is not set"],
        [`file:${path}/none`, `EVERTOKEN_KEYS: the file ${path}/none cannot be read`],
        [`file:${file("nothing", "\n")}`, `EVERTOKEN_KEYS: the file ${path}/nothing is empty`],
        [`file:${file("odd", "s3cret\n")}`, "EVERTOKEN_KEYS: expected encryption keys like"]
      ] as const
      for (const [value, says] of cases) {
        const error = yield* Effect.flip(Effect.withConfigProvider(cipher, environment({ EVERTOKEN_KEYS: value })))
        assert.strictEqual(error.message.slice(0, says.length), says)
        assert.notInclude(error.message, "s3cret")
      }
    })
  )
})

const prepare = Effect.gen(function* () {
  const path = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "evertoken-secrets-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const file = (name: string, text: string) => {
    writeFileSync(join(path, name), text)
    return join(path, name)
  }
  file("billing", "s3cret\n")
  const FILE_KEYS = `file:${file("all-keys", `k2=${"B".repeat(42)}E,k1=${"A".repeat(42)}E`)}`
  const variables = {
    ...{ DIRECT: "s3cret", FILE: `file:${path}/billing`, OTHER: "env:FILE", EMPTY: "", LOOP: "env:LOOP" },
    ...{ NOWHERE: `file:${path}/none`, FILE_KEYS }
  }
  const environment = (more: Readonly<Record<string, string>>) =>
    ConfigProvider.fromMap(new Map(Object.entries({ ...variables, ...more })))
  const find = (place: string) =>
    secretAt("connections[0].clientSecret", place).pipe(
      Effect.map(Redacted.value),
      Effect.mapError((error) => error.message),
      Effect.withConfigProvider(environment({}))
    )
  return { environment, file, find, path }
})
