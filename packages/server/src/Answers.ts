import type { AccessToken, NoSource, TokenError, TokenStore, TokenStoreError } from "@evertoken/core"
import { Clock, Effect, Option, Redacted } from "effect"
import { BadRequest, Misconfigured, NeedsLogin, Token, Unavailable, UnknownConnection } from "./Api.js"
import { retryAfter } from "./Guard.js"

/** A token as it is handed out. */
export const tokenOf = (key: string, token: AccessToken) =>
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

/** What a failure is to a caller of the API. */
export const unknown = ({ key }: NoSource) =>
  new UnknownConnection({ message: `No connection is declared for "${key}"` })

export const unavailable = (error: { readonly message: string }) => new Unavailable({ message: error.message })

/** A key that no store can keep is the caller's mistake. */
export const unkept = (error: TokenStoreError): Effect.Effect<never, BadRequest | Unavailable> =>
  error.reason === "key" ? new BadRequest({ message: error.message }) : unavailable(error)

/** Tells the client when the next attempt is, as the row says, or else as long as the server asked to wait. */
export const sayWhen = Effect.fnUntraced(function* (
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

/** The failures of `get`. */
export const toAnswer = {
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
