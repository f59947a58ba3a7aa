import {
  BadRequest,
  Misconfigured,
  NeedsLogin,
  SourceDefect,
  Token,
  Unavailable,
  UnknownConnection,
  Unreadable
} from "@evertoken/client/api"
import type { AccessToken, NoSource, TokenError, TokenStore, TokenStoreError } from "@evertoken/core"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
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

/** Where nothing says where the tokens of a key come from. */
export const unknown = ({ detail = "no connection is declared for it" }: NoSource) =>
  new UnknownConnection({ message: `There are no tokens of this key: ${detail}` })

export const unavailable = ({ message }: { readonly message: string }) => new Unavailable({ message })

/** A key that no store can keep is the caller's mistake; what no key at hand opens does not pass. */
export const kept = ({
  message,
  reason
}: TokenStoreError): Effect.Effect<never, BadRequest | Unreadable | Unavailable> =>
  reason === "key"
    ? new BadRequest({ message: "No store can keep this key: it is empty, too long, or not well-formed Unicode" })
    : reason === "unreachable" || reason === "setup"
      ? new Unavailable({ message })
      : new Unreadable({ message, reason })

/** Where the token endpoint failed: asks to wait until the next attempt, as the row says, or as long as the server asked. */
export const failing = Effect.fnUntraced(function* (
  store: TokenStore["Type"],
  key: string,
  { message, retryAfter: asked }: Extract<TokenError, { _tag: "TokenEndpointError" }>
) {
  const record = yield* Effect.orElseSucceed(Effect.timeout(Effect.disconnect(store.load(key)), "1 second"), () =>
    Option.none()
  )
  const left = (Option.getOrUndefined(record)?.retryAt ?? 0) - (yield* Clock.currentTimeMillis)
  const wait = left > 0 ? left : asked
  return yield* new Unavailable({ message, retryAfter: wait === undefined ? undefined : yield* retryAfter(wait) })
})

const needsLogin =
  (reason: string) =>
  ({ code, message }: { readonly message: string; readonly code?: string | undefined }) =>
    new NeedsLogin({ message, reason, code })

/** The failures of `get`, beside those of the token endpoint. */
export const toAnswer = {
  NoSource: unknown,
  ReauthorizationRequired: (error: Extract<TokenError, { _tag: "ReauthorizationRequired" }>) =>
    needsLogin(error.reason)(error),
  RefreshInDoubt: needsLogin("in_doubt"),
  ClientRejected: ({ code, message }: Extract<TokenError, { _tag: "ClientRejected" }>) =>
    new Misconfigured({ message, code }),
  TokenSourceDefect: ({ detail, message }: Extract<TokenError, { _tag: "TokenSourceDefect" }>) =>
    new SourceDefect({ message, reason: detail }),
  TokenStoreError: kept,
  Unauthorized: unavailable,
  ProviderClosed: unavailable
}
