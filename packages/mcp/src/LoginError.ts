import * as Schema from "effect/Schema"

/** A person came back from the login page, and it came to nothing. */
export class LoginFailed extends Schema.TaggedError<LoginFailed>()("LoginFailed", {
  key: Schema.String,
  /**
   * `refused`: the authorization server says so, in `code`; `unknown`: no login that was begun in the last hour has this
   * `state`; `issuer`: another authorization server answered (RFC 9207); `unreadable`: the address has no code.
   */
  reason: Schema.Literal("refused", "unknown", "issuer", "unreadable"),
  /** The server's error code, such as `access_denied` (RFC 6749 section 4.1.2.1). */
  code: Schema.optional(Schema.String)
}) {
  override get message() {
    const why = {
      refused: `the authorization server refused it (${this.code})`,
      unknown: "no login was begun with this state, or it was too long ago; begin another",
      issuer: "another authorization server answered than the one that was asked",
      unreadable: "the address that the browser came back to has no code"
    }
    return `The login of "${this.key}" failed: ${why[this.reason]}`
  }
}

/**
 * The MCP server refused the token, which has been replaced: make the call again. With `fetch` beside `authProvider` the
 * call is made again by itself, and nobody sees this.
 */
export class TokenReplaced extends Schema.TaggedError<TokenReplaced>()("TokenReplaced", { key: Schema.String }) {
  override get message() {
    return `The MCP server refused the token of "${this.key}", which has been replaced: make the call again, or give the transport \`fetch\` beside \`authProvider\``
  }
}
