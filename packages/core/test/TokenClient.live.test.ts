import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { types } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import {
  ClientRejected,
  GrantRejected,
  InvalidOption,
  ProviderClosed,
  RefreshPolicy,
  TokenClient,
  type TokenClientOptions,
  type TokenEvent,
  TokenProvider,
  TokenSet,
  type TokenSetOptions,
  TokenSource
} from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Data, Effect, Layer, Redacted } from "effect"

describe("get", () => {
  it("P1: asks once for a thousand callers, and not again while the token is fresh", async () => {
    const { client, posts } = fake()
    const tokens = await Promise.all(Array.from({ length: 1_000 }, () => client.get()))
    for (const token of [...tokens, await client.get()]) assertEquals(token.value, Redacted.make("token-1"))
    assert.strictEqual(posts(), 1)
    await client.dispose()
  })

  it("P9: never gives a token past its end", async () => {
    const { client } = fake({ tokens: () => ({ expiresIn: "60 millis" }) })
    const first = await client.get()
    await until(() => Date.now() > (first.expiresAt ?? 0))
    const asked = Date.now()
    const second = await client.get()
    assert.isAbove(second.generation, first.generation)
    assert.isAbove(second.expiresAt ?? 0, asked)
    await client.dispose()
  })

  it("rejects with the TokenError itself", async () => {
    const { client } = fake({ tokens: () => new GrantRejected({ code: "access_denied" }) })
    const error = await caught(client.get())
    assert.instanceOf(error, ClientRejected)
    assert.isFalse(types.isProxy(error), "a span's wrapper around the error")
    assert.deepStrictEqual([error.key, error.code], ["k", "access_denied"])
    assert.include(error.message, "the login was refused")
    await client.dispose()
  })

  it("is made of options and a store, without a layer of one's own", async () => {
    const login = Effect.sync(() => TokenSet.make({ accessToken: "opensesame", expiresIn: "1 hour" }))
    const source = TokenSource.make({ login })
    const client = TokenClient.make({ key: "k", source, store: MemoryTokenStore.layer })
    assertEquals((await client.get()).value, Redacted.make("opensesame"))
    await client.dispose()
  })

  it("builds the layer at first use, once, and again where that failed", async () => {
    class Down extends Data.TaggedError("Down") {}
    let builds = 0
    const layer = Layer.unwrapEffect(
      Effect.suspend(() =>
        ++builds === 1 ? Effect.withSpan(new Down(), "build") : Effect.succeed(layerOf(() => ({})))
      )
    )
    const client = TokenClient.make(layer)
    assert.strictEqual(builds, 0)
    const [first, second] = await Promise.all([caught(client.get()), caught(client.get())])
    assert.instanceOf(first, Down)
    assert.isFalse(types.isProxy(first), "a span's wrapper around the error")
    assert.instanceOf(second, Down)
    await Promise.all([client.get(), client.get()])
    assert.strictEqual(builds, 2)
    await client.dispose()
  })

  it("rejects with the InvalidOption of a provider that cannot be built", async () => {
    const client = TokenClient.make(layerOf(() => ({}), ""))
    const error = await caught(client.get())
    assert.instanceOf(error, InvalidOption)
    assert.strictEqual(error.option, "key")
  })
})

describe("dispose", () => {
  it("ends the provider once, and calls after that fail", async () => {
    let ended = 0
    const layer = Layer.merge(
      layerOf(() => ({})),
      Layer.scopedDiscard(Effect.addFinalizer(() => Effect.sync(() => ended++)))
    )
    const client = TokenClient.make(layer, { origins: ["https://api.example.com"] })
    await client.get()
    await Promise.all([client.dispose(), client.dispose()])
    await client[Symbol.asyncDispose]()
    assert.strictEqual(ended, 1)
    assert.instanceOf(await caught(client.get()), ProviderClosed)
    assert.instanceOf(await caught(client.fetch("https://api.example.com")), ProviderClosed)
  })

  it("P4: finishes the refresh in flight", async () => {
    let release: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    let issued = 0
    const login = Effect.promise(async () => {
      await gate
      issued++
      return TokenSet.make({ accessToken: "a", expiresIn: "1 hour" })
    })
    const layer = TokenProvider.layer({ key: "k", source: TokenSource.make({ login }) })
    const client = TokenClient.make(Layer.provide(layer, MemoryTokenStore.layer))
    const got = client.get()
    await until(() => true)
    const disposed = client.dispose()
    release()
    await disposed
    assert.strictEqual(issued, 1)
    assertEquals((await got).value, Redacted.make("a"))
  })

  it("without a build builds nothing", async () => {
    let builds = 0
    const client = TokenClient.make(
      Layer.tap(
        layerOf(() => ({})),
        () => Effect.sync(() => builds++)
      )
    )
    await client.dispose()
    assert.instanceOf(await caught(client.get()), ProviderClosed)
    assert.strictEqual(builds, 0)
  })
})

describe("onEvent", () => {
  it("tells what happens from the first refresh on, until it is told to stop; a listener that throws harms nobody", async () => {
    const { client } = fake()
    const seen: Array<TokenEvent["_tag"]> = []
    client.onEvent(() => {
      throw new Error("mine")
    })
    const stop = client.onEvent(({ _tag }) => seen.push(_tag))
    await client.get()
    await until(() => seen.length > 0)
    assert.deepStrictEqual(seen, ["Refreshed"])
    stop()
    await client.dispose()
    assert.deepStrictEqual(seen, ["Refreshed"])
  })
})

describe("a process that never disposes", () => {
  for (const takes of ["quick", "slow"]) {
    it(`P9: serves its callers, and then ends by itself: ${takes} refresh`, async () => {
      const { code, out } = await runChild(takes)
      assert.deepStrictEqual([code, out], [0, "generation true\n"])
    })
  }
})

const layerOf = (
  tokens: (count: number) => Partial<TokenSetOptions> | GrantRejected,
  key = "k",
  count = { posts: 0 }
) =>
  TokenProvider.layer({
    key,
    source: TokenSource.make({
      login: Effect.suspend(() => {
        const next = tokens(++count.posts)
        return next instanceof GrantRejected
          ? Effect.fail(next)
          : Effect.succeed(TokenSet.make({ accessToken: `token-${count.posts}`, expiresIn: "1 hour", ...next }))
      })
    }),
    policy: RefreshPolicy.make()
  }).pipe(Layer.provide(MemoryTokenStore.layer))

const fake = ({ tokens, ...options }: TokenClientOptions & { tokens?: Parameters<typeof layerOf>[0] } = {}) => {
  const count = { posts: 0 }
  const client = TokenClient.make(layerOf(tokens ?? (() => ({})), "k", count), options)
  return { client, posts: () => count.posts }
}

const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("did not reject"),
    (error) => error
  )

const until = async (holds: () => boolean) => {
  do await new Promise((resolve) => setTimeout(resolve, 5))
  while (!holds())
}

const runChild = (takes: string) =>
  new Promise<{ code: number | null; out: string }>((resolve) => {
    const main = fileURLToPath(new URL("./undisposed.ts", import.meta.url))
    const child = spawn(process.execPath, ["--conditions=@evertoken/source", "--import", "tsx", main, takes], {
      stdio: ["ignore", "pipe", "inherit"],
      timeout: 100_000
    })
    const chunks: Array<Buffer> = []
    child.stdout.on("data", (chunk) => chunks.push(chunk))
    child.on("close", (code) => resolve({ code, out: Buffer.concat(chunks).toString() }))
  })
