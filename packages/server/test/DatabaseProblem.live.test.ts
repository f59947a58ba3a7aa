import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { userInfo } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { mysql, postgres } from "../../store-sql/test/Database.js"
import * as Database from "../src/config/Database.js"
import { folder } from "./Service.js"

/** What is said of the database at `address`, to a service that keeps tokens there or to a command that looks. */
const told = (address: string, use: "keep" | "look" = "keep") =>
  Effect.gen(function* () {
    const { message } = yield* Effect.flip(Layer.build(Database.layer("DATABASE_URL", Redacted.make(address), use)))
    assert.notInclude(message, "s3cret")
    return message.replace(/^DATABASE_URL: /, "")
  }).pipe(Effect.scoped)

describe("P13: a file that cannot be the database is told by its name, and by what is wrong with it", () => {
  it.scopedLive("a folder that is not there, a folder in its place, no database, no right to write", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const at = (name: string) => join(path, name)
      mkdirSync(at("folder.db"))
      mkdirSync(at("closed"))
      chmodSync(at("closed"), 0o500)
      writeFileSync(at("text.db"), "a note of somebody\n".repeat(100))
      // The superuser may write into any folder but the kernel's.
      const closed = userInfo().uid === 0 ? "/sys/tokens.db" : at("closed/tokens.db")
      for (const [file, use, why] of [
        [at("none/tokens.db"), "keep", "its folder is not there"],
        [at("folder.db"), "keep", "it is a folder"],
        [at("folder.db"), "look", "it is no file that can be written"],
        [at("text.db"), "keep", "it is no SQLite database"],
        [at("text.db"), "look", "it is no SQLite database"],
        [closed, "keep", "this user may not write there"]
      ] as const) {
        assert.strictEqual(yield* told(`file:${file}`, use), `the file ${file} cannot be opened: ${why}`)
      }
      // A command that looks asks this before.
      const absent = Database.isAbsent("DATABASE_URL", Redacted.make(`file:${at("none/tokens.db")}`))
      const { message } = yield* Effect.flip(absent)
      assert.strictEqual(
        message,
        `DATABASE_URL: the file ${at("none/tokens.db")} cannot be opened: its folder is not there`
      )
    })
  )
})

for (const database of [postgres, mysql]) {
  const why = database.missing === undefined ? "" : ` (skipped: ${database.missing})`
  describe.skipIf(database.missing !== undefined)(
    `P13: what keeps a service from ${database.name} is told${why}`,
    () => {
      it.scopedLive("nothing listens, no such host, another user or password, no such database", () =>
        Effect.gen(function* () {
          const { url } = yield* database.open
          const { host, protocol } = new URL(url)
          const changed = (changes: Partial<URL>) => Object.assign(new URL(url), changes).href
          for (const [address, expected] of [
            [
              `${protocol}//u:s3cret@127.0.0.1:1/x`,
              /^the database cannot be reached at 127\.0\.0\.1:1 \(ECONNREFUSED\)$/
            ],
            [
              `${protocol}//u:s3cret@none.invalid/x`,
              /^the database cannot be reached at none\.invalid \((?:ENOTFOUND|EAI_AGAIN)\)$/
            ],
            [
              changed({ username: "nobody", password: "s3cret" }),
              new RegExp(`^the database at ${host} refuses the user, or the password$`)
            ],
            [changed({ pathname: "/none" }), new RegExp(`^there is no database of this name at ${host}$`)]
          ] as const) {
            assert.match(yield* told(address), expected)
          }
        })
      )
    }
  )
}
