import { createHash } from "node:crypto"
import { Schema } from "effect"

/** One request the authorization server saw, and what came of it. Holds no secret: refresh tokens are fingerprints. */
export const LogEntry = Schema.Struct({
  endpoint: Schema.Literal("token", "introspection", "revocation", "device_authorization"),
  /** When it arrived, in epoch milliseconds. */
  at: Schema.Number,
  /** How long the work took, in milliseconds, delays included. */
  took: Schema.Number,
  client: Schema.optional(Schema.String),
  /** The `User-Agent` that the client gave itself. */
  agent: Schema.optional(Schema.String),
  grantType: Schema.optional(Schema.String),
  /**
   * `ok`: tokens were issued, or the question answered. `refused`: the server said no. `unavailable`: a fault answered.
   * `dropped`: a fault ended the connection before any work was done.
   */
  outcome: Schema.Literal("ok", "refused", "unavailable", "dropped"),
  status: Schema.optional(Schema.Number),
  /** The OAuth error code of a refusal. */
  error: Schema.optional(Schema.String),
  /** Why the server refused, in its own words. */
  detail: Schema.optional(Schema.String),
  /** A refresh token was presented that had been used up already; its whole grant is revoked now. */
  alarm: Schema.Boolean,
  /** The answer was sent. False where a fault swallowed it or the caller had gone. */
  delivered: Schema.Boolean,
  /** What introspection said of the token. */
  active: Schema.optional(Schema.Boolean),
  /** A fingerprint of the refresh token that was presented. */
  presented: Schema.optional(Schema.String),
  /** A fingerprint of the refresh token that was issued. */
  issued: Schema.optional(Schema.String)
})
export type LogEntry = typeof LogEntry.Type

/** What the log has in place of a refresh token. */
export const fingerprint = (token: string): string => createHash("sha256").update(token).digest("hex").slice(0, 12)
