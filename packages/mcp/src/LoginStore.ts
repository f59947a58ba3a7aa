import { TokenSet, type TokenStore, TokenStoreError } from "@evertoken/core"
import type { TokenRecord } from "@evertoken/core/store"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { DiscoveryState } from "./OAuthClientProvider.js"

const Client = Schema.Struct({
  client_id: Schema.String,
  client_secret: Schema.optional(Schema.String),
  client_id_issued_at: Schema.optional(Schema.Number),
  client_secret_expires_at: Schema.optional(Schema.Number),
  token_endpoint_auth_method: Schema.optional(Schema.String),
  issuer: Schema.optional(Schema.String),
  /** Whether the authorization server knows it no more. */
  refused: Schema.optional(Schema.Boolean)
})

/** A registered client. */
export type Client = typeof Client.Type

const PendingLogin = Schema.Struct({
  /** When the person was sent to the login page, in epoch milliseconds. */
  startedAt: Schema.Number,
  state: Schema.optional(Schema.String),
  verifier: Schema.String,
  client: Client,
  scope: Schema.optional(Schema.String),
  /** The resource that the token is for (RFC 8707). */
  resource: Schema.optional(Schema.String),
  discovery: Schema.optional(
    Schema.declare((value): value is DiscoveryState => Predicate.hasProperty(value, "authorizationServerUrl"))
  )
})

/** A login that a person has not come back from yet. */
export type PendingLogin = typeof PendingLogin.Type

const LoginState = Schema.Struct({
  /** The registered clients, those used last first. */
  clients: Schema.Array(Client),
  /** The logins under way, the newest first. */
  logins: Schema.Array(PendingLogin)
})

/** What is kept of the logins of one key. */
export type LoginState = typeof LoginState.Type

/** Keeps what logins need beside the tokens: one row of the same store, sealed by the same cipher. */
export interface LoginStore {
  readonly read: Effect.Effect<LoginState, TokenStoreError>
  /** Changes it in one step, whatever other processes do. */
  readonly update: (change: (state: LoginState) => LoginState) => Effect.Effect<void, TokenStoreError>
}

/** What is kept beside the tokens of `key`, in the store that `store` gives. */
export const makeLoginStore = (key: string, store: Effect.Effect<TokenStore["Type"], TokenStoreError>): LoginStore => {
  const row = `${key}#mcp`
  const load = Effect.flatMap(store, (store) => Effect.map(store.load(row), Option.getOrUndefined))
  return {
    read: Effect.zipWith(load, Clock.currentTimeMillis, (record, now) => recent(stateOf(record), now)),
    update: Effect.fnUntraced(function* (change) {
      const { lease, restore } = yield* store
      for (let tries = 0; tries < MOST_TRIES; tries++) {
        const record = yield* load
        if (record === undefined) {
          // Makes the row, so that there is a generation to write over. The lease ends at once.
          yield* lease(row, { owner: row, known: undefined, lasts: 0, presents: false, force: false })
          continue
        }
        const { generation } = record
        const state = recent(change(stateOf(record)), yield* Clock.currentTimeMillis)
        const written = yield* restore(row, { tokens: tokensOf(state), generation, over: generation, dueIn: undefined })
        if (Option.isSome(written)) return
        yield* Effect.sleep(yield* Random.nextIntBetween(1, 20))
      }
      return yield* new TokenStoreError({ reason: "unreachable", key: row, detail: "the row changes all the time" })
    })
  }
}

/** `state` with `client` in front of its clients. */
export const withClient = (state: LoginState, client: Client): LoginState => ({
  ...state,
  clients: [client, ...state.clients.filter(({ client_id }) => client_id !== client.client_id)].slice(0, MOST_CLIENTS)
})

/** `state` with the client of this id marked as refused, or without the mark. */
export const refusing = (state: LoginState, id: string): LoginState => ({
  ...state,
  clients: state.clients.map((client) => (client.client_id === id ? { ...client, refused: true } : client))
})

/** Whether both are the same login. */
export const isSame = (a: PendingLogin, b: PendingLogin): boolean => a.verifier === b.verifier

const EMPTY: LoginState = { clients: [], logins: [] }
const MOST_TRIES = 100
const MOST_CLIENTS = 32
const MOST_LOGINS = 32
const LOGIN_TIME = Duration.toMillis("1 hour")

/** Without the logins that were begun too long ago. */
const recent = (state: LoginState, now: number): LoginState => ({
  ...state,
  logins: state.logins.filter(({ startedAt }) => startedAt > now - LOGIN_TIME).slice(0, MOST_LOGINS)
})

const StateJson = Schema.parseJson(LoginState)
const encode = Schema.encodeSync(StateJson)
const decode = Schema.decodeUnknownOption(StateJson)

/** A row keeps token sets: the state is the access token of one that never ends, so that nobody refreshes it. */
const tokensOf = (state: LoginState): TokenSet =>
  TokenSet.make({ accessToken: Encoding.encodeBase64Url(encode(state)) })

const stateOf = (record: TokenRecord | undefined): LoginState =>
  Option.fromNullable(record?.tokens).pipe(
    Option.flatMap(({ accessToken }) => Option.getRight(Encoding.decodeBase64UrlString(Redacted.value(accessToken)))),
    Option.flatMap(decode),
    Option.getOrElse(() => EMPTY)
  )
