import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Api, BadRequest, NewTokens, Rejection, Unavailable } from "@evertoken/client/api"
import { TokenProviders, TokenSet, TokenStore } from "@evertoken/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { failing, kept, toAnswer, tokenOf, unavailable, unknown } from "./Answers.js"
import { body } from "./Body.js"
import { permit } from "./Guard.js"

/** Hands out tokens, takes new ones, and what is said of them. */
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
          if (minValidity > 0) {
            const asked = provider.getFor(Duration.seconds(minValidity))
            token = yield* Effect.catchTag(asked, "InvalidOption", Effect.die) // it was checked by the schema
          }
          return yield* tokenOf(key, token)
        }).pipe(Effect.catchTags({ ...toAnswer, TokenEndpointError: (error) => failing(store, key, error) }))
      )
      .handleRaw("reject", ({ request }) =>
        Effect.gen(function* () {
          const { generation, key } = yield* body(request, Rejection)
          yield* permit("read", key)
          const provider = yield* providers.of(key)
          const token = yield* Effect.option(provider.get)
          if (Option.isSome(token) && token.value.generation === generation) yield* provider.reject(token.value)
          return HttpServerResponse.empty()
        }).pipe(Effect.catchTags({ NoSource: unknown, ProviderClosed: unavailable }))
      )
      .handleRaw("put", ({ request }) =>
        Effect.gen(function* () {
          const { expiresIn, key, refreshTokenExpiresIn, scopes, ...given } = yield* body(
            request,
            NewTokens,
            OAUTH_NAMES
          )
          yield* permit("put", key)
          const { accessToken = "", refreshToken } = given
          if (accessToken === "" && refreshToken === undefined) {
            return yield* new BadRequest({ message: "There is neither an accessToken nor a refreshToken" })
          }
          if (given.tokenType?.toLowerCase() === "dpop") return yield* new BadRequest({ message: BOUND })
          const provider = yield* providers.of(key)
          const seconds = (count: number | undefined) => (count === undefined ? undefined : Duration.seconds(count))
          const { generation } = yield* provider.put(
            TokenSet.make({
              ...given,
              accessToken,
              scopes: typeof scopes === "string" ? scopes.split(" ").filter((scope) => scope !== "") : scopes,
              expiresIn: seconds(expiresIn),
              refreshTokenExpiresIn: seconds(refreshTokenExpiresIn)
            })
          )
          return yield* HttpServerResponse.json({ key, generation })
        }).pipe(
          Effect.catchTags({ NoSource: unknown, TokenStoreError: kept, ProviderClosed: unavailable }),
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
          Effect.catchTag("NoSource", (error) =>
            Effect.flatMap(store.remove(key), (removed) => (removed ? Effect.void : unknown(error)))
          ),
          Effect.catchTags({ TokenStoreError: kept, ProviderClosed: unavailable })
        )
      )
  })
)

/** The names of RFC 6749 section 5.1, and of those who give refresh tokens an end. */
const OAUTH_NAMES = {
  access_token: "accessToken",
  token_type: "tokenType",
  expires_in: "expiresIn",
  refresh_token: "refreshToken",
  refresh_token_expires_in: "refreshTokenExpiresIn",
  scope: "scopes"
}

const BOUND = "A DPoP token is of no use here: the key that it is bound to cannot be handed on with it"
