// Longer than 200 lines: the service's API is one value; handlers and documentation are made of it.

import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as HttpApiSecurity from "@effect/platform/HttpApiSecurity"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"

/** A valid access token. */
export class Token extends Schema.Class<Token>("Token")({
  key: Schema.String,
  accessToken: Schema.Redacted(Schema.String),
  /** The scheme it goes by in `Authorization`. */
  tokenType: Schema.String,
  /** Epoch milliseconds; left out where nobody said. */
  expiresAt: Schema.optional(Schema.Number),
  /** Seconds from now; left out where nobody said. */
  expiresIn: Schema.optional(Schema.Number),
  obtainedAt: Schema.Number,
  scopes: Schema.Array(Schema.String),
  /** What else the token endpoint said that callers need. */
  extra: Schema.Record({ key: Schema.String, value: Schema.Unknown }),
  /** Counts the tokens under the key; name it to say that this one was rejected. */
  generation: Schema.Number
}) {}

/** Seconds, ten years at most. */
const Seconds = Schema.Number.pipe(Schema.greaterThan(0), Schema.lessThanOrEqualTo(315_360_000))

/**
 * Tokens got elsewhere: an access token, a refresh token or both. The names that RFC 6749 section 5.1 gives the fields
 * (`access_token`, `expires_in`, `scope`, …) will do as well.
 */
export const NewTokens = Schema.Struct({
  key: Schema.String,
  /** Characters that a header can carry. Left out, the refresh token is refreshed at once. */
  accessToken: Schema.optional(Schema.String.pipe(Schema.pattern(/^[\x21-\x7e]+$/))),
  /** An authentication scheme. */
  tokenType: Schema.optional(
    Schema.compose(Schema.Trim, Schema.String.pipe(Schema.pattern(/^[!#$%&'*+\-.^_`|~\w]+$/)))
  ),
  /** Seconds. */
  expiresIn: Schema.optional(Seconds),
  refreshToken: Schema.optional(Schema.NonEmptyString),
  /** Seconds. */
  refreshTokenExpiresIn: Schema.optional(Seconds),
  /** A list, or text with spaces between them. */
  scopes: Schema.optional(Schema.Union(Schema.Array(Schema.String), Schema.String)),
  extra: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
})

/** Which generation a resource server refused. */
export const Rejection = Schema.Struct({ key: Schema.String, generation: Schema.Int })

/** How a connection may be doing. */
export const Health = Schema.Literal("ok", "idle", "failing", "down", "soon", "login", "unreadable")

/** How a connection is doing. Instants are epoch milliseconds. */
export class Connection extends Schema.Class<Connection>("Connection")({
  key: Schema.String,
  /**
   * `ok`; `idle`: the token has ended and nobody has tried to renew it; `failing`: the token holds, renewing it fails;
   * `down`: no valid token; `soon`: needs a login soon; `login`: needs one now; `unreadable`: no encryption key at hand
   * opens what is kept.
   */
  health: Health,
  generation: Schema.Number,
  expiresAt: Schema.optional(Schema.Number),
  renewedAt: Schema.optional(Schema.Number),
  dueAt: Schema.optional(Schema.Number),
  /** When the refresh token ends, where that is known. */
  loginBy: Schema.optional(Schema.Number),
  failures: Schema.Number,
  failedAt: Schema.optional(Schema.Number),
  /** What the last attempt failed with, and why. */
  failure: Schema.optional(Schema.String),
  nextAttemptAt: Schema.optional(Schema.Number)
}) {}

export class Connections extends Schema.Class<Connections>("Connections")({
  connections: Schema.Array(Connection),
  /** Ask for what comes `after` this, if there may be more. It says nothing to anybody else. */
  next: Schema.optional(Schema.String)
}) {}

/** The request cannot be understood. What was sent is not repeated. */
export class BadRequest extends Schema.TaggedError<BadRequest>()(
  "BadRequest",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 400 })
) {}

/** No API key, or none that is known. */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()(
  "Unauthenticated",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 401 })
) {}

/** The API key does not allow this with this key. */
export class Forbidden extends Schema.TaggedError<Forbidden>()(
  "Forbidden",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 403 })
) {}

/** No connection of this name is declared. */
export class UnknownConnection extends Schema.TaggedError<UnknownConnection>()(
  "UnknownConnection",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 404 })
) {}

/** The grant is dead, or there never was one: a person has to log in. */
export class NeedsLogin extends Schema.TaggedError<NeedsLogin>()(
  "NeedsLogin",
  { message: Schema.String, reason: Schema.String, code: Schema.optional(Schema.String) },
  HttpApiSchema.annotations({ status: 409 })
) {}

/** The body did not come in time. */
export class BodyTimeout extends Schema.TaggedError<BodyTimeout>()(
  "BodyTimeout",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 408 })
) {}

/** The body is larger than any tokens are. */
export class TooLarge extends Schema.TaggedError<TooLarge>()(
  "TooLarge",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 413 })
) {}

/** More requests than the API key is allowed. `retryAfter` is in seconds. */
export class TooManyRequests extends Schema.TaggedError<TooManyRequests>()(
  "TooManyRequests",
  { message: Schema.String, retryAfter: Schema.optional(Schema.Number) },
  HttpApiSchema.annotations({ status: 429 })
) {}

/** The authorization server refuses our registration: the configuration has to be fixed. */
export class Misconfigured extends Schema.TaggedError<Misconfigured>()(
  "Misconfigured",
  { message: Schema.String, code: Schema.String },
  HttpApiSchema.annotations({ status: 502 })
) {}

/** What is kept cannot be read: no encryption key at hand opens it. It does not pass by itself. */
export class Unreadable extends Schema.TaggedError<Unreadable>()(
  "Unreadable",
  { message: Schema.String, reason: Schema.Literal("undecryptable", "corrupt") },
  HttpApiSchema.annotations({ status: 500 })
) {}

/** The connection's own source of tokens has a bug: fix the code; the service's log has the cause. */
export class SourceDefect extends Schema.TaggedError<SourceDefect>()(
  "SourceDefect",
  { message: Schema.String, reason: Schema.String },
  HttpApiSchema.annotations({ status: 500 })
) {}

/** There is no valid token now; it passes. `retryAfter` is in seconds. */
export class Unavailable extends Schema.TaggedError<Unavailable>()(
  "Unavailable",
  { message: Schema.String, retryAfter: Schema.optional(Schema.Number) },
  HttpApiSchema.annotations({ status: 503 })
) {}

/** A part of the process stands still, and only a restart mends it. */
export class Stalled extends Schema.TaggedError<Stalled>()(
  "Stalled",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 503 })
) {}

/** What a caller may do with the keys that it may name. */
export const Verb = Schema.Literal("read", "put", "forget", "watch", "metrics")
export type Verb = typeof Verb.Type

/** Who calls, known by the API key. */
export class CurrentCaller extends Context.Tag("@evertoken/client/CurrentCaller")<CurrentCaller, Caller>() {}

/** A program that may call the service. The API key itself is kept nowhere. */
export interface Caller {
  /** What the caller is called in logs. */
  readonly name: string
  /** SHA-256 of the API key, in hexadecimal digits. */
  readonly hash: string
  /** Patterns of the token keys it may name; `*` stands for any characters. */
  readonly keys: ReadonlyArray<string>
  readonly verbs: ReadonlyArray<Verb>
}

/** Lets in whoever shows an API key that is known. */
export class Authenticate extends HttpApiMiddleware.Tag<Authenticate>()("@evertoken/client/Authenticate", {
  failure: Schema.Union(Unauthenticated, TooManyRequests, BadRequest),
  provides: CurrentCaller,
  security: { apiKey: HttpApiSecurity.bearer }
}) {}

const key = Schema.String

/** The parameters of a query, and no others. */
const query = <Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Struct(fields).annotations({ parseOptions: { onExcessProperty: "error" } })

const tokens = HttpApiGroup.make("tokens")
  .add(
    HttpApiEndpoint.get("get", "/v1/token")
      .setUrlParams(
        query({
          key,
          /** Seconds that the token has to be good for at least, where a newer one can be had. */
          minValidity: Schema.optional(Schema.NumberFromString.pipe(Schema.between(0, 86_400))),
          /** The generation of a token that a resource server refused: reports it, and gives a newer one. */
          rejected: Schema.optional(Schema.NumberFromString.pipe(Schema.int()))
        })
      )
      .addSuccess(Token)
      .addError(UnknownConnection)
      .addError(NeedsLogin)
      .addError(Misconfigured)
      .addError(Unreadable)
      .addError(SourceDefect)
      .addError(Unavailable)
  )
  .add(
    HttpApiEndpoint.post("reject", "/v1/reject")
      .setPayload(Rejection)
      .addError(UnknownConnection)
      .addError(BodyTimeout)
      .addError(TooLarge)
      .addError(Unavailable)
  )
  .add(
    HttpApiEndpoint.put("put", "/v1/token")
      .setPayload(NewTokens)
      .addSuccess(Schema.Struct({ key, generation: Schema.Number }))
      .addError(UnknownConnection)
      .addError(BodyTimeout)
      .addError(TooLarge)
      .addError(Unreadable)
      .addError(Unavailable)
  )
  .add(
    HttpApiEndpoint.del("forget", "/v1/token")
      .setUrlParams(query({ key }))
      .addError(UnknownConnection)
      .addError(Unreadable)
      .addError(Unavailable)
  )

const connections = HttpApiGroup.make("connections")
  .add(
    HttpApiEndpoint.get("list", "/v1/connections")
      .setUrlParams(
        query({
          /** The `next` of the page before. */
          after: Schema.optional(Schema.String),
          health: Schema.optional(Health),
          limit: Schema.optional(Schema.NumberFromString.pipe(Schema.int(), Schema.between(1, 1_000)))
        })
      )
      .addSuccess(Connections)
      .addError(Unavailable)
  )
  .add(
    HttpApiEndpoint.get("events", "/v1/events")
      .addSuccess(HttpApiSchema.Text({ contentType: "text/event-stream" }))
      .addError(TooManyRequests)
      .annotate(OpenApi.Description, "What happens to the tokens, as server-sent events of JSON. Never ends.")
  )

/** The text format that Prometheus reads. */
export const PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"

const monitoring = HttpApiGroup.make("monitoring").add(
  HttpApiEndpoint.get("metrics", "/metrics").addSuccess(HttpApiSchema.Text({ contentType: PROMETHEUS_TEXT }))
)

const probes = HttpApiGroup.make("probes", { topLevel: true })
  .add(
    HttpApiEndpoint.get("health", "/health")
      .addSuccess(Schema.Struct({ status: Schema.Literal("up") }))
      .addError(Stalled)
  )
  .add(
    HttpApiEndpoint.get("ready", "/ready")
      .addSuccess(Schema.Struct({ status: Schema.Literal("ready") }))
      .addError(Unavailable)
  )

const pages = HttpApiGroup.make("pages", { topLevel: true }).add(
  HttpApiEndpoint.get("page", "/").addSuccess(HttpApiSchema.Text({ contentType: "text/html; charset=utf-8" }))
)

/** What a process tells that only works. */
export class WorkerApi extends HttpApi.make("evertoken")
  .add(monitoring.addError(Forbidden).middleware(Authenticate))
  .add(probes) {}

/** The token service over HTTP: what the server serves, the docs show, and clients call. */
export class Api extends HttpApi.make("evertoken")
  .add(tokens.addError(BadRequest).addError(Forbidden).middleware(Authenticate))
  .add(connections.addError(BadRequest).addError(Forbidden).middleware(Authenticate))
  .add(monitoring.addError(Forbidden).middleware(Authenticate))
  .add(probes)
  .add(pages)
  .annotate(OpenApi.Title, "Evertoken")
  .annotate(OpenApi.Description, "Whoever asks gets a valid access token, now.") {}
