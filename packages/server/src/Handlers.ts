import { HttpApiBuilder, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import {
  type AccessToken,
  type NoSource,
  type TokenError,
  TokenProviders,
  TokenSet,
  TokenStore,
  type TokenStoreError
} from "@evertoken/core"
import { Clock, Duration, Effect, Layer, Option, Redacted, Schedule, Schema, Stream } from "effect"
import {
  Api,
  BadRequest,
  type Connection,
  Connections,
  Misconfigured,
  NeedsLogin,
  NewTokens,
  Rejection,
  Token,
  TooLarge,
  Unavailable,
  UnknownConnection
} from "./Api.js"
import { may } from "./ApiKeys.js"
import { makePlaces, permit, permitAny, retryAfter } from "./Guard.js"
import { connectionOf } from "./Health.js"
import * as Prometheus from "./Prometheus.js"
import { makeShared } from "./Shared.js"
import * as StatusPage from "./StatusPage.js"

/** What the API does. */
export const tokens = HttpApiBuilder.group(Api, "tokens", (handlers) =>
  Effect.gen(function* () {
    const providers = yield* TokenProviders
    const store = yield* TokenStore
    return handlers
      .handle("get", ({ urlParams: { key, minValidity = 0, rejected } }) =>
        Effect.gen(function* () {
          yield* permit("read", key)
          const provider = yield* providers.of(key)
          let token = yield* provider.get
          if (rejected === token.generation) {
            yield* provider.reject(token)
            token = yield* provider.get
          }
          const now = yield* Clock.currentTimeMillis
          if (isShort(token, minValidity * 1_000, now)) {
            token = yield* providers.renew(key, token.generation).pipe(
              Effect.map((renewal) => renewal.token),
              Effect.orElseSucceed(() => token)
            )
          }
          return yield* tokenOf(key, token)
        }).pipe(
          Effect.tapErrorTag("TokenEndpointError", (error) => sayWhen(store, key, error)),
          Effect.catchTags(toAnswer)
        )
      )
      .handleRaw("reject", ({ request }) =>
        Effect.gen(function* () {
          const { generation, key } = yield* body(request, Rejection)
          yield* permit("read", key)
          const provider = yield* providers.of(key)
          const token = yield* Effect.option(provider.get)
          if (Option.isSome(token) && token.value.generation === generation) yield* provider.reject(token.value)
          return HttpServerResponse.empty()
        }).pipe(Effect.catchTag("NoSource", unknown))
      )
      .handleRaw("put", ({ request }) =>
        Effect.gen(function* () {
          const { expiresIn, key, refreshTokenExpiresIn, ...given } = yield* body(request, NewTokens)
          yield* permit("put", key)
          if (given.tokenType?.toLowerCase() === "dpop") return yield* new BadRequest({ message: BOUND })
          const provider = yield* providers.of(key)
          const seconds = (count: number | undefined) => (count === undefined ? undefined : Duration.seconds(count))
          const { generation } = yield* provider.put(
            TokenSet.make({
              ...given,
              expiresIn: seconds(expiresIn),
              refreshTokenExpiresIn: seconds(refreshTokenExpiresIn)
            })
          )
          return yield* HttpServerResponse.json({ key, generation })
        }).pipe(
          Effect.catchTags({ NoSource: unknown, TokenStoreError: unkept }),
          Effect.catchTag("HttpBodyError", () => new Unavailable({ message: "The answer could not be written" }))
        )
      )
      .handle("forget", ({ urlParams: { key } }) =>
        Effect.gen(function* () {
          yield* permit("forget", key)
          const provider = yield* providers.of(key)
          yield* provider.forget
        }).pipe(
          // Nobody knows where to revoke them, but they can go.
          Effect.catchTag("NoSource", () => Effect.asVoid(store.remove(key))),
          Effect.catchTag("TokenStoreError", unkept)
        )
      )
  })
)

export const connections = HttpApiBuilder.group(Api, "connections", (handlers) =>
  Effect.gen(function* () {
    const providers = yield* TokenProviders
    const store = yield* TokenStore
    const place = makePlaces(MOST_STREAMS)
    return handlers
      .handle("list", ({ urlParams: { after, limit = 100 } }) =>
        Effect.gen(function* () {
          const caller = yield* permitAny("watch")
          const now = yield* Clock.currentTimeMillis
          const found: Array<Connection> = []
          let last = after
          for (let page = 0, more = true; more && page < MOST_PAGES && found.length < limit; page++) {
            const rows = yield* store.page({ after: last, limit: limit - found.length })
            found.push(...rows.filter(({ key }) => may(caller, "watch", key)).map((row) => connectionOf(row, now)))
            more = rows.length > 0
            last = more ? rows.at(-1)?.key : undefined
          }
          return new Connections({ connections: found, next: last })
        }).pipe(Effect.catchTag("TokenStoreError", unavailable))
      )
      .handleRaw("events", () =>
        Effect.gen(function* () {
          const caller = yield* permitAny("watch")
          yield* place(caller.name)
          const told = providers.events.pipe(
            Stream.filter(({ key }) => may(caller, "watch", key)),
            Stream.map(({ _tag, ...event }) => `event: ${_tag}\ndata: ${JSON.stringify(event)}\n\n`)
          )
          const alive = Stream.fromSchedule(Schedule.spaced("15 seconds")).pipe(Stream.map(() => ": alive\n\n"))
          const lines = Stream.concat(Stream.make(": hello\n\n"), Stream.merge(told, alive))
          return HttpServerResponse.stream(Stream.encodeText(lines), {
            contentType: "text/event-stream",
            headers: { "cache-control": "no-store" }
          })
        })
      )
      .handleRaw("metrics", () =>
        Effect.gen(function* () {
          yield* permitAny("metrics")
          return HttpServerResponse.text(yield* Prometheus.text, { contentType: "text/plain; version=0.0.4" })
        })
      )
  })
)

export const system = HttpApiBuilder.group(Api, "system", (handlers) =>
  Effect.gen(function* () {
    const store = yield* TokenStore
    const ready = makeShared(Effect.as(store.load("evertoken ready?"), { status: "ready" as const }))
    return handlers
      .handle("health", () => Effect.succeed({ status: "up" as const }))
      .handle("ready", () => Effect.catchTag(ready, "TokenStoreError", unavailable))
      .handleRaw("page", () =>
        Effect.succeed(
          HttpServerResponse.text(StatusPage.html, {
            contentType: "text/html; charset=utf-8",
            headers: StatusPage.headers
          })
        )
      )
  })
)

/** All groups. */
export const layer = Layer.mergeAll(tokens, connections, system)

/** The body of a request, bounded and checked. What was sent is repeated nowhere. */
const body = <A, I>(request: HttpServerRequest.HttpServerRequest, schema: Schema.Schema<A, I>) =>
  Effect.gen(function* () {
    const length = Number(request.headers["content-length"] ?? 0)
    if (length > LARGEST) return yield* new TooLarge({ message: "The body is too large" })
    const text = yield* request.text.pipe(
      HttpServerRequest.withMaxBodySize(Option.some(LARGEST)),
      Effect.timeout("10 seconds"),
      Effect.mapError(() => new TooLarge({ message: "The body is too large, or did not come" }))
    )
    return yield* Option.match(Schema.decodeOption(Schema.parseJson(schema))(text), {
      onNone: () => Effect.fail(new BadRequest({ message: "The body is not the JSON that /docs describes" })),
      onSome: Effect.succeed
    })
  })

/** Whether `token` ends sooner than was asked for, and is old enough that a newer one would last longer. */
const isShort = ({ expiresAt, obtainedAt }: AccessToken, wanted: number, now: number): boolean =>
  expiresAt !== undefined && expiresAt - now < Math.min(wanted, (expiresAt - obtainedAt) / 2)

const tokenOf = (key: string, token: AccessToken) =>
  Effect.map(
    Clock.currentTimeMillis,
    (now) =>
      new Token({
        key,
        accessToken: Redacted.make(Redacted.value(token.value)),
        tokenType: token.type,
        expiresAt: token.expiresAt,
        expiresIn: token.expiresAt === undefined ? undefined : Math.max(0, Math.floor((token.expiresAt - now) / 1_000)),
        obtainedAt: token.obtainedAt,
        scopes: token.scopes,
        extra: token.extra,
        generation: token.generation
      })
  )

const unknown = ({ key }: NoSource) => new UnknownConnection({ message: `No connection is declared for "${key}"` })

const unavailable = (error: { readonly message: string }) => new Unavailable({ message: error.message })

const unkept = (error: TokenStoreError): Effect.Effect<never, BadRequest | Unavailable> =>
  error.reason === "key" ? new BadRequest({ message: error.message }) : unavailable(error)

/** Tells the client when the next attempt is, as the row says, or else as long as the server asked to wait. */
const sayWhen = Effect.fnUntraced(function* (
  store: TokenStore["Type"],
  key: string,
  { retryAfter: asked }: Extract<TokenError, { _tag: "TokenEndpointError" }>
) {
  const record = yield* Effect.orElseSucceed(Effect.timeout(store.load(key), "1 second"), () => Option.none())
  const left = (Option.getOrUndefined(record)?.retryAt ?? 0) - (yield* Clock.currentTimeMillis)
  const wait = left > 0 ? left : asked
  if (wait !== undefined) yield* retryAfter(wait)
})

const needsLogin =
  (reason: string) =>
  ({ code, message }: { readonly message: string; readonly code?: string | undefined }) =>
    new NeedsLogin({ message, reason, code })

const toAnswer = {
  NoSource: unknown,
  ReauthorizationRequired: (error: Extract<TokenError, { _tag: "ReauthorizationRequired" }>) =>
    needsLogin(error.reason)(error),
  RefreshInDoubt: needsLogin("in_doubt"),
  ClientRejected: ({ code, message }: Extract<TokenError, { _tag: "ClientRejected" }>) =>
    new Misconfigured({ message, code }),
  TokenEndpointError: ({ message, retryAfter }: Extract<TokenError, { _tag: "TokenEndpointError" }>) =>
    new Unavailable({ message, retryAfter }),
  TokenStoreError: unkept,
  Unauthorized: unavailable
}

const BOUND = "A DPoP token is of no use here: the key that it is bound to cannot be handed on with it"
const LARGEST = 65_536
const MOST_PAGES = 50
const MOST_STREAMS = 16
