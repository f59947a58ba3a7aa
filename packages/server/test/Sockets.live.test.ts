import { once } from "node:events"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Random, Schedule } from "effect"
import { answerOf, dial, reading } from "./Raw.js"
import { handles, memory, serving } from "./Serving.js"

const REQUESTS = Number(process.env.EVERTOKEN_FUZZ_REQUESTS ?? 2_000)
const SEED = process.env.EVERTOKEN_TEST_SEED ?? "1"

describe("the service's process under sockets that nobody means well", () => {
  it.scopedLive(
    `P14: after ${REQUESTS} requests it is the same one, its memory and handles where they were (seed ${SEED})`,
    () =>
      Effect.gen(function* () {
        const { bin, call, key, url } = yield* serving
        const before = (yield* call("/v1/token?key=billing")).json
        const wrong: Array<string> = []
        const statuses = new Set<number>()
        const round = Effect.gen(function* () {
          const request = yield* requestOf(key)
          const manner = yield* pick(MANNERS)
          const text = yield* Effect.promise(() => send(url, request, manner))
          const { status } = answerOf(text)
          statuses.add(status)
          const fine =
            status === 0 || status === 100 || (status >= 200 && status < 300) || (status >= 400 && status < 500)
          if (!fine || status === 101 || text.includes("s3cret"))
            wrong.push(`${status} ${manner} ${request.slice(0, 200)}`)
        })
        const some = (count: number) => Effect.all(Effect.replicate(round, count), { concurrency: 8, discard: true })
        yield* some(Math.ceil(REQUESTS / 4))
        const settled = Effect.gen(function* () {
          yield* Effect.sleep("6 seconds")
          return { handles: handles(bin.pid), memory: memory(bin.pid) }
        })
        const start = yield* settled
        yield* some(Math.floor((REQUESTS * 3) / 4))
        assert.deepStrictEqual(wrong.slice(0, 5), [])
        // They went far enough to be answered each way.
        assert.includeMembers([...statuses], [0, 200, 204, 400, 401, 404, 405, 413, 431])
        assert.isTrue(bin.isAlive())
        assert.isAtLeast((yield* call("/v1/token?key=billing")).json.generation, before.generation)
        const end = yield* settled.pipe(
          Effect.filterOrFail((now) => (now.handles ?? 0) <= (start.handles ?? 0) + 1),
          Effect.retry({ schedule: Schedule.spaced("1 second"), times: 10 })
        )
        assert.isBelow((end.memory ?? 0) - (start.memory ?? 0), 64)
        if (process.env.EVERTOKEN_FUZZ_REQUESTS !== undefined) console.log({ requests: REQUESTS, start, end })
        yield* bin.kill("SIGTERM")
        const { code, err, out } = yield* bin.ended
        assert.deepStrictEqual([code, err], [0, ""])
        assert.notInclude(out, "s3cret")
      }).pipe(Effect.withRandom(Random.make(SEED))),
    600_000
  )
})

const pick = <A>(of: readonly [A, ...ReadonlyArray<A>]) =>
  Effect.map(Random.nextIntBetween(0, of.length), (at) => of[at] ?? of[0])

/** One of `good` three times out of four, so that a request of many parts gets far often enough. */
const mostly = (good: readonly [string, ...ReadonlyArray<string>], bad: readonly [string, ...ReadonlyArray<string>]) =>
  Effect.flatMap(Random.next, (dice) => pick(dice < 0.75 ? good : bad))

/** How the bytes of a request go over a socket. */
const MANNERS = ["whole", "split", "slow", "half", "reset", "reset at once", "cut", "pipelined", "never read"] as const

const send = async (url: string, request: string, manner: (typeof MANNERS)[number]): Promise<string> => {
  const socket = dial(url)
  try {
    await once(socket, "connect")
    const got = reading(socket, manner === "cut" ? 50 : 12_000)
    const bytes = Buffer.from(request, "latin1")
    switch (manner) {
      case "split": {
        const at = Math.max(1, Math.floor(bytes.length / 3))
        for (let from = 0; from < bytes.length; from += at) {
          socket.write(bytes.subarray(from, from + at))
          await new Promise((resolve) => setImmediate(resolve))
        }
        return await got
      }
      case "slow":
        socket.write(bytes.subarray(0, 20))
        await new Promise((resolve) => setTimeout(resolve, 20))
        socket.write(bytes.subarray(20))
        return await got
      case "half":
        socket.end(bytes)
        return await got
      case "reset":
        socket.write(bytes)
        await new Promise((resolve) => setTimeout(resolve, 2))
        socket.resetAndDestroy()
        return ""
      case "reset at once":
        socket.write(bytes)
        socket.resetAndDestroy()
        return ""
      case "cut":
        socket.write(bytes.subarray(0, Math.floor(bytes.length / 2)))
        return await got
      case "pipelined":
        socket.write(Buffer.concat([bytes, bytes, bytes]))
        return await got
      case "never read":
        socket.pause()
        socket.write(bytes)
        await new Promise((resolve) => setTimeout(resolve, 5))
        return ""
      default:
        socket.write(bytes)
        return await got
    }
  } catch {
    return ""
  } finally {
    socket.destroy()
  }
}

/** A request that is a little wrong, or right; its length as it is told may be wrong too. */
const requestOf = (key: string) =>
  Effect.gen(function* () {
    const method = yield* mostly(
      ["GET", "PUT", "POST", "DELETE"],
      ["HEAD", "OPTIONS", "CONNECT", "PATCH", "BREW", "get"]
    )
    const path = yield* mostly(
      ["/v1/token", "/v1/token", "/v1/token", "/v1/reject", "/v1/connections", "/health", "/docs", "/", "/metrics"],
      [
        ...(["/openapi.json", "/s3cret", "/v1/s3cret", "//v1/token", "/V1/TOKEN", "/v1/token;x"] as const),
        ...["/v1/../health", "/v1/%74oken", "*", "http://x/health", "x", "", `/${"p".repeat(9_000)}`]
      ]
    )
    const query = yield* pick([
      "",
      "?key=made/up",
      "?key=a//b",
      "?key=%zz",
      "?key=%00",
      "?key=a&key=b",
      "?after=x",
      "?limit=0",
      "?x",
      "?s3cret=1",
      "?key=made/up&minValidity=s3cret",
      "?after=s3cret",
      "?key=s3cret%zz",
      "??"
    ])
    const version = yield* mostly(["HTTP/1.1"], ["HTTP/1.0", "HTTP/2.0", "HTP/1.1"])
    const depth = yield* Random.nextIntBetween(0, 3_000)
    const body = yield* pick([
      "",
      "s3cret",
      `${"[".repeat(depth)}${"]".repeat(depth)}`,
      `{"key":"made/up","accessToken":"s3cret","extra":{"a":${'{"a":'.repeat(depth)}1${"}".repeat(depth)}}}`,
      `{"key":"made/up","accessToken":"s3cret s3cret"}`,
      `{"key":"made/up","expires":1,"accessToken":"s3cret"}`,
      `{"key":"made/up","generation":1}`,
      "x".repeat(70_000),
      "\xff\xfe\x00"
    ])
    const headers = [
      yield* mostly(["Host: x"], ["Host: x\r\nHost: y", "X: y", "Host"]),
      yield* mostly(
        [`Authorization: Bearer ${key}`],
        [
          "Authorization: Basic s3cret",
          "Authorization: Bearer s3cret",
          `Authorization: Bearer ${key}\r\nAuthorization: x`,
          ""
        ]
      ),
      yield* mostly(
        ["", "Connection: Upgrade\r\nUpgrade: websocket"],
        ["Connection: close", "Connection: upgrade\r\nUpgrade: h2c", "Expect: 100-continue", "Expect: x"]
      ),
      yield* mostly([""], ["X: \x01", `X: ${"y".repeat(17_000)}`, "X : y", " X: y", "X\xff: y"]),
      yield* mostly(
        [`Content-Length: ${body.length}`],
        [
          ...(["Content-Length: 99999999999", "Content-Length: -1", "Content-Length: 1\r\nContent-Length: 2"] as const),
          ...["Transfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3"]
        ]
      )
    ]
    return `${method} ${path}${query} ${version}\r\n${headers.filter((line) => line !== "").join("\r\n")}\r\n\r\n${body}`
  })
