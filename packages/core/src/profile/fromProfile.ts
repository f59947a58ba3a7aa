import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Struct from "effect/Struct"
import type { InvalidOption } from "../model/TokenError.js"
import { OF_REFRESH, TokenSource } from "../model/TokenSource.js"
import type { AuthorizationCode } from "../oauth2/AuthorizationCode.js"
import type { DeviceAuthorization } from "../oauth2/DeviceAuthorization.js"
import { identityOf } from "../oauth2/SourceIdentity.js"
import { declaredCode, declaredRequests } from "./DeclaredRequests.js"
import { decodeProfile } from "./decodeProfile.js"
import { grantOf, type ProfileInputs } from "./ProfileInputs.js"
import { traitOptions } from "./ProfileOptions.js"
import { makeParts } from "./ProfileParts.js"
import type { ProviderProfile } from "./ProviderProfile.js"
import { standardGrant } from "./StandardGrants.js"

type MadeOf<Source> = Effect.Effect<Source, InvalidOption, HttpClient.HttpClient>

/**
 * A source of what a provider is like and of what its profile leaves open, or the option that cannot work. Making it sends
 * nothing. With `grant: "authorization_code"` or `"device_code"`, also the way a person gets the first tokens.
 *
 * @example
 * ```ts
 * const source = fromProfile(atlassian, { clientId: "app", clientSecret: Redacted.make("…") })
 * const Jira = TokenProvider.layer({ key: "jira", source })
 * ```
 */
export function fromProfile(
  profile: ProviderProfile,
  inputs: ProfileInputs & { readonly grant: "authorization_code" }
): MadeOf<AuthorizationCode>
export function fromProfile(
  profile: ProviderProfile,
  inputs: ProfileInputs & { readonly grant: "device_code" }
): MadeOf<DeviceAuthorization>
export function fromProfile(profile: ProviderProfile, inputs: ProfileInputs): MadeOf<TokenSource>
export function fromProfile(given: ProviderProfile, inputs: ProfileInputs): MadeOf<TokenSource> {
  return Effect.gen(function* () {
    const profile = yield* decodeProfile(given)
    const grant = yield* grantOf(profile, inputs)
    const parts = yield* makeParts(profile, inputs)
    const declared = yield* declaredRequests(grant, profile, parts)
    const standard = yield* standardGrant(grant, profile, inputs, parts)
    const refresh = declared?.refresh ?? standard?.refresh
    const traits = traitOptions(profile)
    const source = yield* TokenSource.make({
      ...(refresh === undefined ? Struct.omit(traits, ...OF_REFRESH) : traits),
      limits: inputs.limits,
      fenced: true,
      identity: identityOf([profile, inputs], inputs.clientSecret, ...Object.values(inputs.secrets ?? {})),
      login: declared?.login ?? standard?.login,
      refresh,
      revoke: declared?.revoke ?? standard?.revoke
    })
    const { authorize, exchange } = profile
    return grant === "authorization_code" && authorize !== undefined && exchange !== undefined
      ? { ...source, ...(yield* declaredCode(exchange, authorize, profile, inputs, parts)) }
      : { ...standard, ...source }
  })
}
