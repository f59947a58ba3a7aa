// profile/: What a provider is like, as plain JSON, and the sources that come of it.
// May import oauth2/, transport/ and model/.
// Must not know of rows, leases and providers of tokens.

import * as Schema from "effect/Schema"
import { problemsOf } from "./ProfileConsistency.js"
import {
  ComputedValue,
  expecting,
  Lasting,
  Name,
  optional,
  Pattern,
  ProfileAnswer,
  ProfileRequest,
  Requests,
  SignedToken,
  Text,
  Texts,
  Token
} from "./ProfileValues.js"

/** How tokens come to be; the first is what `fromProfile` takes where nothing else is asked for. */
export const Grant = Schema.Literal(
  "authorization_code",
  "refresh_token",
  "client_credentials",
  "device_code",
  "jwt_bearer",
  "token_exchange",
  "login"
)
export type Grant = typeof Grant.Type

const Fields = {
  id: optional(
    Schema.String.pipe(Schema.pattern(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, expecting('a name, such as "google-ads"')))
  ),
  /** What people call it. */
  name: optional(Text),
  /** Where the facts are from. */
  docs: optional(Schema.NonEmptyArray(Text)),
  /** When they were last looked at. */
  verified: optional(
    Schema.String.pipe(Schema.pattern(/^\d{4}-\d\d-\d\d$/, expecting('a date, such as "2026-11-30"')))
  ),
  /** What a person has to know who uses it. */
  notes: optional(Schema.Array(Text)),
  /** Names that differ for each customer, and the regular expression that the whole of each value has to match. */
  tenant: optional(Schema.Record({ key: Name, value: Pattern })),
  /** Names of secrets beside `clientSecret`. */
  secrets: optional(Schema.Array(Name)),
  values: optional(Schema.Record({ key: Name, value: ComputedValue })),
  grants: Schema.NonEmptyArray(Grant),
  /** How the client proves itself; without, the requests' own texts say who asks. */
  client: optional(Schema.Struct({ authentication: Schema.Literal("basic", "basicRaw", "post", "none") })),
  /** The token endpoint of RFC 6749. */
  token: optional(
    Schema.Struct({
      url: Text,
      parameters: optional(Texts),
      headers: optional(Texts),
      /** @default "omit" */
      scopeOnRefresh: optional(Schema.Literal("omit", "original", "explicit"))
    })
  ),
  /** The login page. */
  authorize: optional(
    Schema.Struct({
      url: Text,
      parameters: optional(Texts),
      /** Asked for beside the caller's: what gives refresh tokens, say. */
      scopes: optional(Schema.Array(Text)),
      /** @default " " */
      scopeSeparator: optional(Text),
      /** @default "client_id" */
      clientIdName: optional(Text),
      /** @default true */
      pkce: optional(Schema.Boolean)
    })
  ),
  /** Where codes for another device are asked for (RFC 8628). */
  device: optional(Schema.Struct({ url: Text })),
  /** Tokens for the code of the login page, in place of `token`: `{code}`, `{redirectUri}` and `{verifier}` stand in it. */
  exchange: optional(Requests),
  /** Newer tokens for those in hand, in place of `token`. */
  refresh: optional(Requests),
  /** Tokens for credentials: by a request, in steps, or signed here. */
  login: optional(Schema.Union(Requests, SignedToken)),
  /** An endpoint of RFC 7009, or a request of its own. */
  revoke: optional(Schema.Union(Text, ProfileRequest)),
  answer: optional(ProfileAnswer),
  errors: optional(
    Schema.Struct({
      /** Where the error code is. @default "error" */
      code: optional(Text),
      /** Where a body says how it went, and what it says when it went well. */
      success: optional(
        Schema.Struct({
          at: Text,
          is: Schema.NonEmptyArray(Schema.Union(Schema.String, Schema.Number, Schema.Boolean))
        })
      ),
      /** What codes and statuses mean. */
      meanings: optional(
        Schema.Record({
          key: Schema.String,
          value: Schema.Literal("refused", "client", "throttled", "unavailable", "lost")
        })
      )
    })
  ),
  traits: optional(
    Schema.Struct({
      replay: optional(Schema.Literal("once", "never")),
      ...{ replayWindow: optional(Lasting), earliestRefresh: optional(Lasting), keepAlive: optional(Lasting) },
      refreshTokenLifetime: optional(Lasting),
      revokes: optional(Schema.Literal("replaced")),
      revokesAccessToken: optional(Schema.Boolean)
    })
  ),
  /** The API that the tokens are for: what `apiOf` gives `TokenHttpClient.make`. */
  api: optional(
    Schema.Struct({
      /** Names the tenant, and what `answer.keep` keeps where the address comes with the token. */
      url: optional(Text),
      /** The regular expression that the whole host of such an address has to match. */
      hosts: optional(Pattern),
      header: optional(Token),
      scheme: optional(Token),
      /** The parameter of the address that carries the token, in the place of a header. */
      query: optional(Text),
      /** Statuses beside 401 that refuse the token. */
      rejected: optional(Schema.NonEmptyArray(Schema.Int))
    })
  )
}

/** What an authorization server is like: one JSON value, which the library and the service read. */
export const ProviderProfile = Schema.Struct(Fields).pipe(Schema.filter((profile) => problemsOf(profile)))
export type ProviderProfile = typeof ProviderProfile.Type
/** A profile without its consistency. */
export type ProfileFields = Schema.Struct.Type<typeof Fields>
