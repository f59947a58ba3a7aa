import { HttpClient, HttpClientResponse } from "@effect/platform"
import {
  GrantRejected,
  TokenProvider,
  type TokenProviderOptions,
  TokenSet,
  type TokenSetOptions,
  TokenSource
} from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Stream } from "effect"

/** A request as the API saw it. */
export interface Seen {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly authorization: string | undefined
  readonly body: string
}

/** An API that answers by `answer` and keeps what it saw. */
export const fakeApi = (answer: (seen: Seen, count: number) => Response | Effect.Effect<Response>) => {
  const seen: Array<Seen> = []
  const client = HttpClient.make((request, url) =>
    Effect.gen(function* () {
      const { body } = request
      const text =
        body._tag === "Uint8Array"
          ? new TextDecoder().decode(body.body)
          : body._tag === "Stream"
            ? yield* Effect.orDie(Stream.mkString(Stream.decodeText(body.stream)))
            : body._tag === "Raw"
              ? yield* Effect.promise(() => new Response(body.body as BodyInit).text())
              : body._tag === "FormData"
                ? JSON.stringify([...body.formData])
                : ""
      const { authorization } = request.headers
      const one = { method: request.method, url, headers: request.headers, authorization, body: text }
      seen.push(one)
      const answered = answer(one, seen.length)
      const response = Effect.isEffect(answered) ? yield* answered : answered
      return HttpClientResponse.fromWeb(request, response)
    })
  )
  return { client, seen, tokens: () => seen.map(({ authorization }) => authorization) }
}

/** A provider whose n-th token is `token-n`, or what `tokens` says. */
export const fakeProvider = (
  tokens: (count: number) => Partial<TokenSetOptions> | GrantRejected = () => ({}),
  options: Partial<TokenProviderOptions> = {}
) =>
  Effect.gen(function* () {
    let count = 0
    const login = Effect.suspend(() => {
      const next = tokens(++count)
      return next instanceof GrantRejected
        ? Effect.fail(next)
        : Effect.succeed(TokenSet.make({ accessToken: `token-${count}`, expiresIn: "1 hour", ...next }))
    })
    const provider = yield* TokenProvider.make({ key: "k", source: TokenSource.make({ login }), ...options })
    return { provider, posts: () => count }
  }).pipe(Effect.provide(MemoryTokenStore.layer))

/** Refuses the tokens with these numbers. */
export const refusing =
  (...numbers: ReadonlyArray<number>) =>
  ({ authorization }: Seen) =>
    numbers.some((number) => authorization === `Bearer token-${number}`)
      ? new Response("refused", { status: 401, headers: { "www-authenticate": 'Bearer error="invalid_token"' } })
      : new Response("fine")

export const origin = "https://api.example.com"
