import { type SourceError, SourceLimits, TokenEndpointError } from "@evertoken/core"
import type { ProfileInputs } from "@evertoken/core/profile"
import * as Effect from "effect/Effect"
import * as Record from "effect/Record"
import type * as Redacted from "effect/Redacted"
import { secretAt } from "./Secrets.js"
import { type ConnectionSetting, type ProfileConnection, SettingsError } from "./Settings.js"

/** What the connection at `setting` gives to its profile, but for the tenant. `placed` are the secrets of its texts. */
export const inputsOf = Effect.fnUntraced(function* (
  setting: string,
  connection: ConnectionSetting,
  placed: Readonly<Record<string, Redacted.Redacted>>
) {
  const { clientId, clientSecret, limits } = connection
  const own = "profile" in connection ? yield* grantInputs(setting, connection) : declaredInputs(connection)
  const secrets = { ...own.secrets, ...placed }
  const inputs: ProfileInputs = {
    ...own,
    ...(clientId === undefined ? {} : { clientId }),
    ...(clientSecret === undefined ? {} : { clientSecret: yield* secretAt(`${setting}.clientSecret`, clientSecret) }),
    ...(limits === undefined ? {} : { limits: yield* limitsOf(`${setting}.limits`, limits) }),
    ...(Record.isEmptyReadonlyRecord(secrets) ? {} : { secrets })
  }
  return inputs
})

const limitsOf = (setting: string, limits: NonNullable<ConnectionSetting["limits"]>) =>
  Effect.mapError(
    SourceLimits.make(limits),
    ({ expected, option }) => new SettingsError({ setting: `${setting}.${option}`, problem: `expected ${expected}` })
  )

/** A connection without a profile has its own grant, and its client's authentication stands in the profile that it makes. */
const declaredInputs = (connection: Exclude<ConnectionSetting, ProfileConnection>): ProfileInputs =>
  connection.grant === "custom" || connection.scope === undefined ? {} : { scope: connection.scope }

const grantInputs = Effect.fnUntraced(function* (setting: string, connection: ProfileConnection) {
  const { clientAuthentication, claims, grant, issuedBy, requestedTokenType, scope, subject, subjectTokenType } =
    connection
  const { assertion, clientAssertion, privateKey, secrets, signingKey, subjectToken } = connection
  const texts = { clientAuthentication, claims, grant, issuedBy, requestedTokenType, scope, subject, subjectTokenType }
  const inputs: ProfileInputs = {
    ...Record.filter(texts, (value) => value !== undefined),
    ...(assertion === undefined ? {} : { assertion: yield* each(`${setting}.assertion`, assertion) }),
    ...(subjectToken === undefined ? {} : { subjectToken: yield* each(`${setting}.subjectToken`, subjectToken) }),
    ...(clientAssertion === undefined
      ? {}
      : { clientAssertion: yield* each(`${setting}.clientAssertion`, clientAssertion) }),
    ...(privateKey === undefined
      ? {}
      : { privateKey: { ...privateKey, key: yield* secretAt(`${setting}.privateKey.key`, privateKey.key) } }),
    ...(signingKey === undefined
      ? {}
      : { signingKey: { ...signingKey, key: yield* secretAt(`${setting}.signingKey.key`, signingKey.key) } }),
    ...(secrets === undefined
      ? {}
      : {
          secrets: yield* Effect.all(
            Record.map(secrets, (place, name) => secretAt(`${setting}.secrets.${name}`, place))
          )
        })
  }
  return inputs
})

/** A secret that is read anew for each request: others write its file again and again. It has to be there at the start. */
const each = (
  setting: string,
  place: string
): Effect.Effect<Effect.Effect<Redacted.Redacted, SourceError>, SettingsError> => {
  const read = secretAt(setting, place)
  return Effect.as(
    read,
    Effect.mapError(read, ({ message }) => new TokenEndpointError({ reason: "unreachable", detail: message }))
  )
}
