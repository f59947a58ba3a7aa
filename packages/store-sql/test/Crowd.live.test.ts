import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { assert, it } from "@effect/vitest"
import { Authority } from "@evertoken/authority"
import { TokenSet, TokenStore } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Layer, Random, Schema } from "effect"
import { bundled } from "./Child.js"
import type { Counted } from "./crowdMain.js"
import { onEach, sqliteFile } from "./Database.js"

const PROCESSES = 16
const KEYS = Array.from({ length: 200 }, (_, at) => `tenant-${at}`)
/** How many keys each process refreshes, and in how many lines at a time. Many a key is refreshed by several at once. */
const [LINES, LENGTH] = [2, 10]

onEach(
  (name) => `${PROCESSES} processes and ${KEYS.length} keys, on ${name}`,
  (setting) => {
    it.live(
      "no spent refresh token is sent and no call fails; a fresh token waits for nothing, a locked file is waited for with sleeps (P1, P6, P14)",
      () =>
        Effect.gen(function* () {
          const { connect, table, url } = setting()
          const authority = yield* Authority.make({ lifetime: "1 hour" })
          const context = yield* Layer.build(
            Layer.provide(SqlTokenStore.layer({ encryption: "off", table: table() }), connect())
          )
          const store = yield* Effect.provide(TokenStore, context)
          const put = (key: string) =>
            Effect.flatMap(authority.mint(), (minted) =>
              store.put(key, TokenSet.make({ ...minted, expiresIn: "1 hour" }), undefined)
            )
          yield* Effect.forEach(KEYS, put, { concurrency: 10 })
          const before = (yield* authority.tokenRequests).length

          const settings = { file: url.slice("file:".length), table: table(), tokenEndpoint: authority.tokenEndpoint }
          const crowd = yield* Effect.forEach(
            Array.from({ length: PROCESSES }),
            () =>
              Effect.gen(function* () {
                const mine = [...(yield* Random.shuffle(KEYS))]
                const lines = Array.from({ length: LINES }, () => mine.splice(0, LENGTH))
                return yield* member({ ...settings, keys: KEYS, lines })
              }),
            { concurrency: 4 }
          )
          for (const { go } of crowd) go()
          const counted = yield* Effect.forEach(crowd, ({ said }) => Effect.promise(said))

          assert.deepStrictEqual(
            counted.flatMap(({ failed }) => failed),
            []
          )
          const sum = (of: (one: (typeof counted)[number]) => number) => counted.reduce((all, one) => all + of(one), 0)
          assert.strictEqual(
            sum(({ refreshed }) => refreshed),
            PROCESSES * LINES * LENGTH
          )
          assert.isAbove(
            sum(({ fresh }) => fresh.gets),
            PROCESSES * KEYS.length
          )
          assert.deepStrictEqual([sum(({ fresh }) => fresh.waited), sum(({ fresh }) => fresh.statements)], [0, 0])
          // They met, no statement failed for it, and no driver stood still: what waited were the sleeps of the store.
          assert.isAbove(
            sum(({ busy }) => busy),
            0
          )
          assert.strictEqual(
            sum(({ errors }) => errors),
            0
          )
          assert.isTrue(counted.every(({ patience }) => patience <= 2))
          const requests = (yield* authority.tokenRequests).slice(before)
          assert.deepStrictEqual(
            requests.filter(({ alarm, outcome }) => alarm || outcome !== "ok"),
            []
          )
          assert.strictEqual(new Set(requests.map(({ presented }) => presented)).size, requests.length)
        }).pipe(Effect.scoped),
      300_000
    )
  },
  [sqliteFile]
)

/** Starts a process, and waits until it has all keys in memory. */
const member = Effect.fnUntraced(function* (settings: object) {
  const { modules, program } = yield* bundled("crowdMain")
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [program, JSON.stringify(settings)], {
        stdio: ["pipe", "pipe", "inherit"],
        env: { ...process.env, NODE_PATH: modules }
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const line = async () => {
    const { done, value } = await lines.next()
    if (done === true) throw new Error("it ended before it said so")
    return value
  }
  assert.strictEqual(yield* Effect.promise(line), "ready")
  return {
    go: () => void child.stdin.write("go\n"),
    said: async (): Promise<Counted> => decode(await line())
  }
})

const decode = Schema.decodeUnknownSync(
  Schema.parseJson(
    Schema.Struct({
      refreshed: Schema.Number,
      failed: Schema.Array(Schema.String),
      busy: Schema.Number,
      errors: Schema.Number,
      patience: Schema.Number,
      fresh: Schema.Struct({ gets: Schema.Number, waited: Schema.Number, statements: Schema.Number })
    })
  )
)
