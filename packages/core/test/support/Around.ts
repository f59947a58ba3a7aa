import type { SourceError, TokenSet } from "@evertoken/core"
import type { FakeTokenSource } from "@evertoken/core/testing"
import { Effect } from "effect"

type Request = Effect.Effect<TokenSet, SourceError>

/** The source of `fake` with `wrap` around each refresh; `fenced` says that this runs `TokenSource.fence`. */
export const around = (
  fake: FakeTokenSource,
  wrap: (request: Request) => Request = (request) => request,
  fenced = false
) =>
  Effect.map(fake.source, ({ refresh, ...source }) => ({
    ...source,
    fenced,
    refresh: refresh && ((current: TokenSet) => wrap(refresh(current)))
  }))

/** The refresh tokens that were presented, in order. */
export const presented = ({ log }: FakeTokenSource) =>
  log.flatMap(({ by, presented }) => (by === "refresh" ? [presented] : []))
