import { assert, describe, it } from "@effect/vitest"
import { type AccessToken, TokenClient, TokenSet, TokenSource } from "@evertoken/core"
import { axiosTokens, gotTokens, kafkaTokens, redisCredentials, tokenCredential } from "@evertoken/core/adapters"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect } from "effect"

const API = "https://api.example.com"

/** A client whose tokens are `token-1`, `token-2` and so on. */
const make = (lifetime: { readonly expiresIn?: "1 hour" } = { expiresIn: "1 hour" }) => {
  let posts = 0
  const login = Effect.sync(() => TokenSet.make({ accessToken: `token-${++posts}`, ...lifetime }))
  const source = TokenSource.make({ login })
  return TokenClient.make({ key: "k", source, store: MemoryTokenStore.layer, origins: [API] })
}

describe("axiosTokens", () => {
  type Config = { readonly url: string; readonly headers: Map<string, string>; readonly data?: unknown }
  type Interceptor = (config: Config) => Promise<Config>

  /** An instance whose server refuses tokens, and that calls its interceptors as axios does. */
  const axios = (refuses: (authorization: string | undefined) => boolean) => {
    const sent: Array<string | undefined> = []
    let before: Interceptor = async (config) => config
    let failed: (error: unknown) => unknown = () => undefined
    const request = async (config: Config): Promise<unknown> => {
      const ready = await before({ ...config, headers: new Map(config.headers) })
      const authorization = ready.headers.get("authorization")
      if (sent.push(authorization) > 2) throw new Error("sent too often")
      return refuses(authorization) ? failed({ response: { status: 401 }, config: ready }) : "fine"
    }
    const instance = {
      request,
      getUri: ({ url }: Config) => url,
      interceptors: {
        request: {
          use: (given: Interceptor) => {
            before = given
          }
        },
        response: {
          use: (_: undefined, given: typeof failed) => {
            failed = given
          }
        }
      }
    }
    return { instance, sent }
  }
  const get = (url: string, data?: unknown): Config => ({ url, headers: new Map(), data })

  it("P7: sends a refused request once more with a newer token, and gives up then", async () => {
    await using client = make()
    const { instance, sent } = axios((authorization) => authorization !== "Bearer token-2")
    assert.strictEqual(await axiosTokens(instance, client).request(get(`${API}/a`)), "fine")
    const { instance: hopeless, sent: tried } = axios(() => true)
    const error = await axiosTokens(hopeless, client)
      .request(get(`${API}/a`))
      .catch((error: unknown) => error)
    assert.nestedPropertyVal(error, "response.status", 401)
    assert.deepStrictEqual([sent, tried.length], [["Bearer token-1", "Bearer token-2"], 2])
  })

  it("P7: sends a stream once, and reports its refusal all the same", async () => {
    await using client = make()
    const { instance, sent } = axios((authorization) => authorization !== "Bearer token-2")
    const stream = { pipe: () => undefined }
    await axiosTokens(instance, client)
      .request(get(`${API}/a`, stream))
      .catch(() => undefined)
    assert.deepStrictEqual([sent, await client.token()], [["Bearer token-1"], "token-2"])
  })

  it("P11: gives no token to other origins, whose 401 costs no refresh", async () => {
    await using client = make()
    const { instance, sent } = axios(() => true)
    await axiosTokens(instance, client)
      .request(get("https://other.example/a"))
      .catch(() => undefined)
    assert.deepStrictEqual([sent, await client.token()], [[undefined], "token-1"])
  })
})

describe("gotTokens", () => {
  it("P11: gives the token to declared origins only, also where got goes on elsewhere", async () => {
    await using client = make()
    const [before] = gotTokens(client).beforeRequest
    const headersOf = async (url: string) => {
      const headers = {}
      await before?.({ url: new URL(url), headers })
      return headers
    }
    assert.deepStrictEqual(await headersOf(`${API}/a`), { authorization: "Bearer token-1" })
    assert.deepStrictEqual(await headersOf("https://other.example/a"), {})
  })

  it("P7: has a refused request made again, and no other", async () => {
    await using client = make()
    const [after] = gotTokens(client).afterResponse
    await client.get()
    const again = () => {
      throw new Error("again")
    }
    const answered = (statusCode: number, authorization?: string) =>
      after?.({ statusCode, request: { options: { headers: { authorization } } } }, again).then(
        () => "given",
        (error) => error.message
      )
    assert.deepStrictEqual(
      [await answered(200, "Bearer token-1"), await answered(401), await answered(403, "Bearer token-1")],
      ["given", "given", "given"]
    )
    assert.strictEqual(await client.token(), "token-1")
    assert.strictEqual(await answered(401, "Bearer token-1"), "again")
    assert.strictEqual(await client.token(), "token-2")
  })
})

describe("tokenCredential", () => {
  it("gives the token and its end, and a newer one where the service asks for claims", async () => {
    await using client = make()
    const credential = tokenCredential(client)
    const { expiresAt } = await client.get()
    assert.deepStrictEqual(await credential.getToken("scope"), { token: "token-1", expiresOnTimestamp: expiresAt ?? 0 })
    assert.strictEqual((await credential.getToken(["scope"], { claims: "{}" })).token, "token-2")
  })

  it("says an hour of a token whose end nobody said", async () => {
    await using client = make({})
    const before = Date.now()
    const { expiresOnTimestamp } = await tokenCredential(client).getToken("scope")
    assert.isAtLeast(expiresOnTimestamp, before + 3_600_000)
  })
})

describe("kafkaTokens", () => {
  const INVALID = '{"status":"invalid_token"}'
  const failed = (type: string) => Object.assign(new Error(type), { type, retriable: false })

  /** A connection whose broker says what `says` has; what it was told is kept as text. */
  const connection = (says: (message: string) => string) => {
    const told: Array<string> = []
    type Exchange = Parameters<Parameters<ReturnType<typeof kafkaTokens<Buffer>>>[0]["saslAuthenticate"]>[0]
    const saslAuthenticate = async ({ request, response }: Exchange) => {
      const message = request.encode()
      assert.strictEqual(message.readInt32BE(0), message.length - 4)
      told.push(message.subarray(4).toString())
      const answer = Buffer.from(says(message.subarray(4).toString()))
      const raw = Buffer.concat([Buffer.alloc(4), answer])
      raw.writeInt32BE(answer.length)
      return response.parse(response.decode(raw))
    }
    return { told, saslAuthenticate }
  }
  const hello = (token: string) => `n,,\u0001auth=Bearer ${token}\u0001\u0001`
  /** Says no to each token, in two steps as RFC 7628 has it. */
  const refuses = (message: string) => {
    if (message.startsWith("n,,")) return INVALID
    throw failed("SASL_AUTHENTICATION_FAILED")
  }

  it("says the token as RFC 7628 has it, and asks for another where the broker says why it refuses it (P7)", async () => {
    await using client = make()
    const provider = kafkaTokens(client, Buffer)
    const broker = connection((message) => (message.includes("token-2") ? "" : refuses(message)))
    const error = await provider(broker)
      .authenticate()
      .catch((error: unknown) => error)
    assert.deepInclude(Object(error), { _tag: "TokenRejected", retriable: true })
    await provider(broker).authenticate()
    assert.deepStrictEqual(broker.told, [hello("token-1"), "\u0001", hello("token-2")])
  })

  it("P7: takes an error of the broker for a refusal, and no other error", async () => {
    await using client = make()
    const attempt = (type: string) => {
      const broker = connection(() => {
        throw failed(type)
      })
      return kafkaTokens(
        client,
        Buffer
      )(broker)
        .authenticate()
        .then(
          () => "logged in",
          (error) => error._tag ?? error.type
        )
    }
    assert.deepStrictEqual([await attempt("REQUEST_TIMED_OUT"), await client.token()], ["REQUEST_TIMED_OUT", "token-1"])
    assert.deepStrictEqual(
      [await attempt("SASL_AUTHENTICATION_FAILED"), await client.token()],
      ["TokenRejected", "token-2"]
    )
  })

  it("P7: has kafkajs try again once in a row, whichever connection it is", async () => {
    await using client = make()
    const provider = kafkaTokens(client, Buffer)
    const attempt = (says: (message: string) => string) =>
      provider(connection(says))
        .authenticate()
        .then(
          () => "logged in",
          ({ retriable }) => retriable
        )
    assert.deepStrictEqual(
      [await attempt(refuses), await attempt(refuses), await attempt(refuses)],
      [true, false, false]
    )
    assert.deepStrictEqual([await attempt(() => ""), await attempt(refuses)], ["logged in", true])
  })
})

describe("redisCredentials", () => {
  it("gives the current token, then each newer one once, until it is disposed of", async () => {
    await using client = make()
    const told: Array<(password: string) => void> = []
    const next = () => new Promise<string>((heard) => told.push(heard))
    const onNext = ({ password }: { readonly password: string }) => told.shift()?.(password)
    const listener = { onNext, onError: () => undefined }
    const newer = next()
    const [first, { dispose }] = await redisCredentials(client, "app").subscribe(listener)
    assert.deepStrictEqual(first, { username: "app", password: "token-1" })
    const subscribed = new Promise<AccessToken>((heard) => client.subscribe(heard))
    await subscribed
    await client.refresh()
    assert.strictEqual(await newer, "token-2")
    dispose()
    const late = next()
    const other = new Promise<number>((heard) =>
      client.subscribe(({ generation }) => {
        if (generation > 1) heard(generation)
      })
    )
    await client.refresh()
    await other
    assert.strictEqual(await Promise.race([late, Promise.resolve("nothing")]), "nothing")
  })

  it("says what Redis refused", () => {
    const errors: Array<Error> = []
    redisCredentials(make(), "app", (error) => errors.push(error)).onReAuthenticationError(new Error("no"))
    assert.deepStrictEqual(
      errors.map(({ message }) => message),
      ["no"]
    )
  })
})
