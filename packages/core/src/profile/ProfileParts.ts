import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Struct from "effect/Struct"
import type { InvalidOption } from "../model/TokenError.js"
import type { ClientOptions } from "../oauth2/ClientAuthentication.js"
import { accessToken, refreshToken } from "../oauth2/Field.js"
import { withComputed } from "./ComputedValues.js"
import { CLIENT, type ProfileInputs } from "./ProfileInputs.js"
import type { Names } from "./ProfileText.js"
import type { ProviderProfile } from "./ProviderProfile.js"

/** What all requests of a profile are made of. */
export interface ProfileParts {
  readonly tenant: Readonly<Record<string, string>>
  /** What the names in texts stand for. */
  readonly names: Names
  readonly client: Partial<ClientOptions>
}

/** The parts of a profile whose inputs were checked. */
export const makeParts = (
  { client, values = {} }: ProviderProfile,
  inputs: ProfileInputs
): Effect.Effect<ProfileParts, InvalidOption> => {
  const { clientId, clientSecret, privateKey, clientAssertion, secrets, tenant = {} } = inputs
  const isSecret = Redacted.isRedacted(clientSecret) || Effect.isEffect(clientSecret)
  const own = { ...tenant, ...secrets, clientId, clientSecret: isSecret ? clientSecret : undefined }
  const isAssertion = privateKey !== undefined || clientAssertion !== undefined
  const proof =
    client === undefined
      ? {}
      : {
          ...(clientId === undefined ? {} : { clientId }),
          ...(isAssertion ? {} : { clientAuthentication: client.authentication }),
          ...Struct.pick(inputs, ...CLIENT)
        }
  return Effect.map(withComputed(values, { ...own, accessToken, refreshToken }), (names) => ({
    ...{ tenant, names },
    client: proof
  }))
}
