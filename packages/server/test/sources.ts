import { TokenSet } from "@evertoken/core"
import { parseSettings, SettingsError } from "@evertoken/server"
import { ConfigProvider, Effect } from "effect"
import { answering, type Sent } from "../../core/test/network.js"
import { makeSources } from "../src/config/Sources.js"

/** The sources of connections as the service makes them, and what they sent. */
export const sources = (
  connections: ReadonlyArray<object>,
  variables: Readonly<Record<string, string>> = {},
  respond: (request: Sent) => Response = () =>
    Response.json({ access_token: "at-1", token_type: "Bearer", expires_in: 3600 })
) =>
  Effect.gen(function* () {
    const sent: Array<Sent> = []
    const settings = parseSettings(JSON.stringify({ connections }))
    if (settings instanceof SettingsError) return yield* settings
    const of = yield* makeSources(settings.connections, () => () => Effect.void).pipe(
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries({ SECRET: "s3cret", ...variables })))),
      Effect.provide(answering(sent, respond))
    )
    return { of, sent }
  })

type Made = Effect.Effect.Success<ReturnType<Effect.Effect.Success<ReturnType<typeof sources>>["of"]>>

/** The tokens that a login gives. */
export const loggedIn = ({ login }: Made) => login ?? Effect.dieMessage("no login")

/** The tokens that a refresh gives. */
export const refreshed = ({ refresh }: Made) =>
  refresh?.(TokenSet.make({ accessToken: "at-0", refreshToken: "rt-1", scopes: ["a", "b"] })) ??
  Effect.dieMessage("no refresh")
