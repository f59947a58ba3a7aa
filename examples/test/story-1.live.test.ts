import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Cause, ConfigProvider, Effect, Exit, Fiber, Layer, TestClock } from "effect"
import { count } from "../far-sides/FarSide.js"
import { credentials, startVerification, type Verification } from "../far-sides/verification.js"
import { Dashboard, isGood, limited, makeVerify } from "../stories/1-around-each-call.js"
import { AroundEachCall } from "./old/AroundEachCall.js"
import { tellStory } from "./tellStory.js"

describe("a refresh around each call", () => {
  it.live(
    "the story runs, and the far side's log says what it should",
    () =>
      Effect.gen(function* () {
        const { code, text } = yield* tellStory(1)
        assert.strictEqual(code, 0, text)
        assert.include(text, "tokens for them (the old program: ten)                        1       1  ✓")
        assert.notInclude(text, "✗")
      }),
    300_000
  )

  it.scopedLive("ten calls at once refresh once; they refreshed ten times", () =>
    Effect.gen(function* () {
      const far = yield* startVerification
      const { old, verify } = yield* both(far)
      yield* verify
      far.endTokens()
      yield* Effect.all(ten(verify), { concurrency: "unbounded" })
      assert.strictEqual(authorized(far), 2)

      yield* old
      far.endTokens()
      const before = authorized(far)
      yield* Effect.all(ten(old), { concurrency: "unbounded" })
      assert.strictEqual(authorized(far) - before, 10)
    })
  )

  it.scopedLive("a refresh that failed leaves nothing behind; the old counter never came back", () =>
    Effect.gen(function* () {
      const far = yield* startVerification
      const { old, verify } = yield* both(far)
      for (let time = 0; time < 3; time++) {
        far.endTokens()
        far.failAuthorize(2)
        assert.deepStrictEqual(yield* verify, '{"status":"VERIFIED"}')
      }
      far.endTokens()
      far.failAuthorize(2)
      yield* old
      far.endTokens()
      far.failAuthorize(1)
      assert.strictEqual((yield* Effect.flip(old)).message, "failed to refresh")
      const before = far.log.length
      assert.strictEqual((yield* Effect.flip(old)).message, "failed to refresh") // although all is well by now
      assert.deepStrictEqual(
        far.log.slice(before).map(({ what }) => what),
        ["GET /verificationUrl"]
      )
    })
  )

  it.scopedLive("the second answer is looked at as well; the old program handed it on", () =>
    Effect.gen(function* () {
      const far = yield* startVerification
      const { old, verify } = yield* both(far)
      const body = { status: "ERROR", subCode: 450 }
      far.say(body)
      assert.deepInclude(yield* Effect.flip(verify), { _tag: "NotVerified", status: 200, body: JSON.stringify(body) })
      assert.deepStrictEqual(yield* old, body)
    })
  )

  for (const tries of [2, 3]) {
    it.scopedLive(`${tries} failures ${tries < 3 ? "are tried again" : "are the last"}`, () =>
      Effect.gen(function* () {
        const far = yield* startVerification
        const { verify } = yield* both(far)
        far.failAuthorize(tries)
        const exit = yield* Effect.exit(verify)
        assert.deepStrictEqual(
          far.log.map(({ status, what }) => `${what} ${status}`),
          tries < 3 ? [...failed(2), "POST /authorize_endpoint 200", "GET /verificationUrl 200"] : failed(3)
        )
        if (tries === 3) {
          assert.isTrue(Exit.isFailure(exit))
          assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "failed to refresh")
          // Nobody asks again for half a minute, however many call.
          yield* Effect.flip(verify)
          assert.lengthOf(far.log, 3)
        }
      })
    )
  }

  const answers: ReadonlyArray<readonly [status: number, body: string, good: boolean]> = [
    [200, '{"status":"VERIFIED"}', true],
    [204, "", true],
    [200, "no JSON", true],
    [199, "{}", false],
    [299, "{}", true],
    [302, "{}", false],
    [403, '{"status":"VERIFIED"}', false],
    [500, "", false],
    [200, '{"status":"ERROR"}', false],
    [200, '{"status":"error"}', true],
    [200, '{"subCode":399}', true],
    [200, '{"subCode":400}', false],
    [200, '{"subCode":"400"}', false],
    [200, '{"subCode":520}', false],
    [200, '{"subCode":"520"}', false],
    [200, '{"subCode":521}', true],
    [200, '{"subCode":"521"}', true],
    [200, '{"subCode":null}', true],
    [200, '{"subCode":"none"}', true],
    [200, '{"status":"ERROR","subCode":"none"}', false]
  ]
  for (const [status, body, good] of answers) {
    it(`${status} ${body} is ${good ? "a good answer" : "not good"}`, () => {
      assert.strictEqual(isGood({ status, headers: {}, body: () => body }), good)
    })
  }

  it.scoped("a request ends after 12 seconds, and no later", () =>
    Effect.gen(function* () {
      const never = HttpClient.make((request, { pathname }) =>
        pathname === "/authorize_endpoint"
          ? Effect.succeed(HttpClientResponse.fromWeb(request, Response.json({ data: { token: "token-1" } })))
          : Effect.never
      )
      const network = Layer.provide(limited, Layer.succeed(HttpClient.HttpClient, never))
      const verify = yield* makeVerify.pipe(
        Effect.provide([MemoryTokenStore.layer, network]),
        configured("http://127.0.0.1:1")
      )
      const call = yield* Effect.fork(Effect.flip(verify({})))
      yield* TestClock.adjust("11999 millis")
      assert.isTrue((yield* Fiber.poll(call))._tag === "None")
      yield* TestClock.adjust("1 millis")
      assert.deepInclude(yield* Fiber.join(call), { _tag: "RequestError", description: "12 seconds are over" })
    })
  )
})

const both = (far: Verification) =>
  Effect.gen(function* () {
    const verify = yield* Effect.provide(makeVerify, Dashboard).pipe(configured(far.url))
    const { CLIENT_ID, CLIENT_SECRET } = credentials
    const old = new AroundEachCall(far.url, { "X-Client-Id": CLIENT_ID, "X-Client-Secret": CLIENT_SECRET })
    return {
      verify: verify({ document: "A-1" }),
      old: Effect.tryPromise({ try: () => old.verify(), catch: (error) => error as Error })
    }
  })

const configured = (url: string) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries({ VERIFICATION_URL: url, ...credentials }))))

const authorized = (far: Verification) => count(far.log, "POST /authorize_endpoint", 200)
const failed = (times: number) => Array.from({ length: times }, () => "POST /authorize_endpoint 503")
const ten = <A>(one: A): ReadonlyArray<A> => Array.from({ length: 10 }, () => one)
