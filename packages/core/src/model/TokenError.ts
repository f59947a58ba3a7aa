// Longer than 200 lines: all that callers switch on.

import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/** Whatever can keep a caller from a valid token. Each class is something a caller handles differently. */
export type TokenError =
  | ReauthorizationRequired
  | TokenEndpointError
  | TokenSourceDefect
  | ClientRejected
  | RefreshInDoubt
  | Unauthorized
  | TokenStoreError
  | ProviderClosed

/** The grant is dead, and there is no `login` or it was refused too: send the person to log in, then `put` the new tokens. */
export class ReauthorizationRequired extends Schema.TaggedError<ReauthorizationRequired>()("ReauthorizationRequired", {
  key: Schema.String,
  /** `refused`: the authorization server said so; `absent`: nothing is kept and nothing can log in; `forgotten`: logged out meanwhile. */
  reason: Schema.Literal("refused", "absent", "forgotten"),
  /** The server's error code, such as `invalid_grant` (RFC 6749 section 5.2) or `interaction_required` (OpenID Connect Core section 3.1.2.6). */
  code: Schema.optional(Schema.String),
  /** The claims that the server wants the next login to ask for, as JSON: pass them on to `authorize`. */
  claims: Schema.optional(Schema.String)
}) {
  override get message() {
    const why = {
      refused: "the grant was refused",
      absent: "there are no tokens; put those of a login",
      forgotten: "it was logged out"
    }
    const code = this.code === undefined ? "" : ` (${this.code})`
    return `"${this.key}" needs a new login: ${why[this.reason]}${code}`
  }
}

/** The token endpoint did not do its part this time. It passes: try later. */
export class TokenEndpointError extends Schema.TaggedError<TokenEndpointError>()("TokenEndpointError", {
  /** The connection it happened to; absent while the error is still the source's own. */
  key: Schema.optional(Schema.String),
  /**
   * `unreachable`: nothing was sent; `unavailable`: it answered that it cannot now; `throttled`: it asked to wait;
   * `timeout`, `disconnected`, `unreadable`: the request may have taken effect and its answer is lost.
   */
  reason: Schema.Literal("unreachable", "unavailable", "throttled", "timeout", "disconnected", "unreadable"),
  /** The HTTP status, if there was an answer. */
  status: Schema.optional(Schema.Number),
  /** The server's error code, if it gave one. */
  code: Schema.optional(Schema.String),
  /** How long the server asked to wait, in milliseconds. */
  retryAfter: Schema.optional(Schema.Number),
  /** What was wrong, without any part of a token. */
  detail: Schema.optional(Schema.String)
}) {
  override get message() {
    const status = this.status === undefined ? "" : `, HTTP ${this.status}`
    const code = this.code === undefined ? "" : `, ${this.code}`
    const detail = this.detail === undefined ? "" : `: ${this.detail}`
    return `The token endpoint${of(this.key)} failed (${this.reason}${status}${code})${detail}`
  }

  /** Whether the request may have taken effect although no answer told so. */
  get isInDoubt(): boolean {
    return this.reason === "timeout" || this.reason === "disconnected" || this.reason === "unreadable"
  }
}

/**
 * The source has a bug: it threw, it was interrupted by itself, or it gave what is no `TokenSet`. Nobody is made to wait
 * for it. A later call tries again, once the back-off of `policy.retry` is over.
 */
export class TokenSourceDefect extends Schema.TaggedError<TokenSourceDefect>()("TokenSourceDefect", {
  key: Schema.String,
  /** What it did, without any text of its own. */
  detail: Schema.String,
  /** What it threw, where that was in this process. Its text is the source's own and may hold anything. */
  cause: Schema.optional(Schema.Defect)
}) {
  override get message() {
    return `The token source of "${this.key}" has a bug: ${this.detail}; the cause is in the log`
  }
}

/**
 * Our registration, our credentials or our address of the authorization server are wrong: fix the configuration, and it
 * heals: at once where the description or the credentials of the source changed, also in another process; where the server
 * changed, with the next attempt. These come ever more sparsely, up to an hour apart, since providers lock accounts.
 */
export class ClientRejected extends Schema.TaggedError<ClientRejected>()("ClientRejected", {
  /** The connection it happened to; absent while the error is still the source's own. */
  key: Schema.optional(Schema.String),
  /** The server's error code, such as `invalid_client` (RFC 6749 section 5.2), or `HTTP 404` where it gave none. */
  code: Schema.String,
  /** The HTTP status, if there was an answer. */
  status: Schema.optional(Schema.Number),
  /** What was wrong, without any part of a token. */
  detail: Schema.optional(Schema.String)
}) {
  override get message() {
    const detail = this.detail === undefined ? "" : `: ${this.detail}`
    return `The authorization server does not accept our requests${of(this.key)} (${this.code})${detail}; look at the source's options`
  }
}

/** A refresh token was presented, its answer never came, and the source forbids to present it again. */
export class RefreshInDoubt extends Schema.TaggedError<RefreshInDoubt>()("RefreshInDoubt", {
  key: Schema.String,
  /** When the refresh token was presented, in epoch milliseconds. */
  presentedAt: Schema.Number
}) {
  override get message() {
    return `The answer to a refresh of "${this.key}" was lost, and its source says never to present a refresh token again; put new tokens, or allow a replay`
  }
}

/** The resource server refused a fresh token too: look at permissions, audience and scopes. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", {
  key: Schema.String,
  /** The generation of the last token that was refused. */
  generation: Schema.Number
}) {
  override get message() {
    return `The resource server refused a fresh token of "${this.key}" too; look at its permissions, audience and scopes`
  }
}

/** The store could not be reached, is not set up, or what it keeps could not be read. */
export class TokenStoreError extends Schema.TaggedError<TokenStoreError>()("TokenStoreError", {
  /**
   * `unreachable`: try later; `setup`: a table or a permission is missing; `undecryptable`: no key at hand opens the row,
   * which is left as it is; `corrupt`: the row is no token set; `key`: no store can keep anything under this key (see
   * `isKey`).
   */
  reason: Schema.Literal("unreachable", "setup", "undecryptable", "corrupt", "key"),
  /** The connection it happened to, if it was one. */
  key: Schema.optional(Schema.String),
  /** What was wrong, without any part of a token. */
  detail: Schema.optional(Schema.String)
}) {
  /** What `error` is for callers of a store: itself, with its key, or else `unreachable`, told by names and codes alone. */
  static readonly of = (error: unknown, key?: string): TokenStoreError => {
    if (!(error instanceof TokenStoreError)) {
      return new TokenStoreError({ reason: "unreachable", key, detail: names(error) })
    }
    const { detail, reason } = error
    return error.key === undefined && key !== undefined ? new TokenStoreError({ reason, key, detail }) : error
  }

  override get message() {
    const tokens = `The stored tokens${of(this.key)}`
    const what = {
      unreachable: `The token store${of(this.key)} could not be reached`,
      setup: `The token store${of(this.key)} has to be set up`,
      undecryptable: `${tokens} cannot be decrypted with the encryption keys at hand, and are left as they are`,
      corrupt: `${tokens} cannot be read as tokens`,
      key: `No token store can keep anything under the key "${this.key}"`
    }
    const detail = this.detail === undefined ? "" : `: ${this.detail}`
    return `${what[this.reason]}${detail}`
  }
}

/** The provider, or the client, that was asked is closed for good: ask one that is open. Trying again does not help. */
export class ProviderClosed extends Schema.TaggedError<ProviderClosed>()("ProviderClosed", {
  /** The connection whose token was asked for, if one was named. */
  key: Schema.optional(Schema.String)
}) {
  override get message() {
    return `The token provider${of(this.key)} is closed: its scope has ended, or its client was disposed`
  }
}

/** Raised by a call when the resource server refused its token; `TokenProvider.use` answers it with a newer token. */
export class TokenRejected extends Schema.TaggedError<TokenRejected>()("TokenRejected", {}) {
  override readonly message = "The resource server refused the access token"
}

/**
 * Raised by a source: the authorization server refused the grant itself, for good (`invalid_grant` and its like). Of a
 * refresh it means that a person has to log in; of a `login` it becomes `ClientRejected`, since nobody else can log in.
 */
export class GrantRejected extends Schema.TaggedError<GrantRejected>()("GrantRejected", {
  /** The server's error code. */
  code: Schema.String,
  /** The HTTP status, if there was an answer. */
  status: Schema.optional(Schema.Number),
  /** The claims that the server wants the next login to ask for, as JSON. */
  claims: Schema.optional(Schema.String)
}) {
  override get message() {
    return `The authorization server refused the grant (${this.code})`
  }
}

/** Nobody can say where the tokens of this key come from: it is declared nowhere, or its declaration could not be read. */
export class NoSource extends Schema.TaggedError<NoSource>()("NoSource", {
  key: Schema.String,
  /** Why, without any part of a secret. */
  detail: Schema.optional(Schema.String)
}) {
  /** What `error` is for whoever asked for `key`: told by its names and codes alone, except where it is our own. */
  static readonly of = (key: string, error: unknown): NoSource =>
    error instanceof NoSource
      ? error
      : new NoSource({ key, detail: error instanceof InvalidOption ? error.message : names(error) })

  override get message() {
    return `There is no source of tokens for "${this.key}"${this.detail === undefined ? "" : `: ${this.detail}`}`
  }
}

/** An option that cannot work, found before anything is sent. */
export class InvalidOption extends Schema.TaggedError<InvalidOption>()("InvalidOption", {
  /** The option, as it is written in code. */
  option: Schema.String,
  /** What would be right. */
  expected: Schema.String
}) {
  override get message() {
    return `Option "${this.option}": expected ${this.expected}`
  }
}

const of = (key: string | undefined): string => (key === undefined ? "" : ` of "${key}"`)

// The error's own text may hold a statement with its values, so only its names and codes are told.
const names = (error: unknown): string => {
  const found: Array<string> = []
  for (let at = error; Predicate.isRecord(at) && found.length < 6; at = at.cause) {
    for (const part of [at._tag ?? at.name, at.code]) {
      if (typeof part === "string" && /^[\w.:-]{1,60}$/.test(part) && !found.includes(part)) found.push(part)
    }
  }
  return found.length === 0 ? "it failed" : found.join(", ")
}

/** Whether asking again soon can help. It does not where the store answers what cannot be used: a row that does not open. */
export const isTransient = (error: TokenError): boolean =>
  error._tag === "TokenEndpointError" || (error._tag === "TokenStoreError" && error.reason === "unreachable")
