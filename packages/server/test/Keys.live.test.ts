import { statSync } from "node:fs"
import { join } from "node:path"
import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as ServiceDatabase from "../src/config/Database.js"
import { ran } from "./Bin.js"
import { caller, folder } from "./Service.js"
import { servingOn } from "./Serving.js"

/** The most rows that a request for the list reads. */
const READ = 1_000
const ROWS = 20_000

describe("the keys of others, in the service's process", () => {
  it.scopedLive(
    "a list reads a bounded number of rows a request, tells a caller its own keys, and its cursor tells none of the others",
    () =>
      Effect.gen(function* () {
        const database = `file:${join(yield* folder, "tokens.db")}`
        assert.strictEqual((yield* ran(["migrate"], { DATABASE_URL: database })).code, 0)
        const client = yield* Layer.build(ServiceDatabase.layer("database", Redacted.make(database)))
        const sql = yield* Effect.provide(SqlClient.SqlClient, client)
        yield* sql`INSERT INTO evertoken_tokens (key, generation)
          WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
          SELECT printf('tenant-%05d/', i) || CASE i % 5000 WHEN 1 THEN 'mine' ELSE 'theirs' END, 1 FROM n`
        const watcher = caller("watcher", ["watch"], ["*/mine"])
        const { call } = yield* servingOn({ database, callers: [watcher.setting] })
        const found: Array<string> = []
        let requests = 0
        for (let after: string | undefined = ""; after !== undefined; requests++) {
          const query: string = after === "" ? "" : `&after=${encodeURIComponent(after)}`
          const { json, status } = yield* call(`/v1/connections?limit=1000${query}`, { as: watcher.key })
          assert.strictEqual(status, 200)
          found.push(...json.connections.map(({ key }: { readonly key: string }) => key))
          after = json.next
          for (const text of [after ?? "", Buffer.from(after ?? "", "base64url").toString("latin1")]) {
            assert.notInclude(text, "tenant")
          }
          assert.strictEqual((yield* call("/health")).status, 200)
        }
        assert.deepStrictEqual(
          found,
          [1, 5_001, 10_001, 15_001].map((at) => `tenant-${String(at).padStart(5, "0")}/mine`)
        )
        assert.isAtLeast(requests, ROWS / READ)
      }),
    300_000
  )

  it.scopedLive("forge no line of the log and turn none around, and the file of tokens is its user's alone", () =>
    Effect.gen(function* () {
      const { bin, call, env } = yield* servingOn()
      const key = 'evil\n{"level":"ERROR","message":"forged"}\u202egnp.exe\u001b[31m'
      const body = JSON.stringify({ key, accessToken: "a", refreshToken: "made-up", expiresIn: 300 })
      const put = yield* call("/v1/token", { method: "PUT", body })
      assert.strictEqual(put.status, 200)
      const refused = `/v1/token?key=${encodeURIComponent(key)}&rejected=${put.json.generation}`
      assert.strictEqual((yield* call(refused)).status, 409)
      const file = env.DATABASE_URL.slice("file:".length)
      for (const name of ["", "-wal", "-shm"]) assert.strictEqual(statSync(`${file}${name}`).mode & 0o777, 0o600)
      yield* bin.kill("SIGTERM")
      const { out } = yield* bin.ended
      const lines = out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.isTrue(lines.some(({ key }) => typeof key === "string" && key.startsWith("evil")))
      assert.isFalse(lines.some(({ message }) => message === "forged"))
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
      assert.notMatch(lines.map((line) => Object.values(line).join("")).join(""), /[\u0000-\u001f\u202a-\u202e]/)
    })
  )
})
