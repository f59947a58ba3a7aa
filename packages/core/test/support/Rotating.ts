import { GrantRejected, type SourceError, TokenSet, TokenSource } from "@evertoken/core"
import { Effect, Redacted } from "effect"

/** An authorization server that rotates refresh tokens, and ends the grant when a spent one comes again. */
export class Rotating {
  posts = 0
  alarms = 0
  /** The refresh tokens that were presented, in order. */
  readonly presented: Array<string> = []
  private serial = 0
  private live: string | undefined

  constructor(readonly lives: `${number} ${"seconds" | "minutes" | "hours"}` = "1 hours") {}

  /** What a login gives. */
  grant(): TokenSet {
    this.serial++
    this.live = `refresh-${this.serial}`
    return TokenSet.make({ accessToken: `access-${this.serial}`, expiresIn: this.lives, refreshToken: this.live })
  }

  /** Takes one refresh token, at once. */
  refresh(current: TokenSet): Effect.Effect<TokenSet, GrantRejected> {
    return Effect.suspend(() => {
      const token = current.refreshToken === undefined ? "" : Redacted.value(current.refreshToken)
      this.posts++
      this.presented.push(token)
      if (token === this.live) return Effect.succeed(this.grant())
      if (this.live !== undefined) this.alarms++
      this.live = undefined
      return new GrantRejected({ code: "invalid_grant" })
    })
  }

  /** Whether the grant still lives. */
  get isLive(): boolean {
    return this.live !== undefined
  }

  /** A source of it; `around` does harm to its requests. */
  source(
    around: (request: Effect.Effect<TokenSet, SourceError>) => Effect.Effect<TokenSet, SourceError> = (request) =>
      request,
    traits: Pick<Parameters<typeof TokenSource.make>[0], "replay" | "fenced"> = {}
  ) {
    return TokenSource.make({ ...traits, refresh: (current) => around(this.refresh(current)) })
  }
}
