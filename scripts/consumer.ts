// A stranger's first program: scripts/pack-check.ts type-checks it against the packed packages and runs it.
import { TokenProvider, TokenSet, TokenSource } from "@evertoken/core"
import * as Testing from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Redacted } from "effect"

const Demo = TokenProvider.layer({
  key: "demo",
  source: TokenSource.make({ login: Effect.succeed(TokenSet.make({ accessToken: "opensesame", expiresIn: "1 hour" })) })
})

const program = Effect.flatMap(TokenProvider, (provider) => provider.get)
const token = await program.pipe(Effect.provide(Demo), Effect.provide(MemoryTokenStore.layer), Effect.runPromise)

if (Redacted.value(token.value) !== "opensesame") throw new Error("The provider handed out another token")
for (const module of [Testing, SqlTokenStore]) {
  if (Object.keys(module).length === 0) throw new Error("A module exports nothing")
}
