import * as Effect from "effect/Effect"
import type { InvalidOption } from "../model/TokenError.js"
import { decodeProfile } from "./decodeProfile.js"
import { type ProfileInputs, tenantOf } from "./ProfileInputs.js"
import { plainText } from "./ProfileText.js"
import type { ProviderProfile } from "./ProviderProfile.js"

/** What `TokenHttpClient.make` takes, as far as the provider's profile knows it. */
export interface ProfileApi {
  readonly baseUrl?: string
  readonly header?: string
  readonly scheme?: string
  readonly rejected?: (answer: { readonly status: number }) => boolean
}

/** How the API of a profile takes tokens: spread it into the options of `TokenHttpClient.make`. */
export const apiOf = (
  given: ProviderProfile,
  inputs: Pick<ProfileInputs, "tenant"> = {}
): Effect.Effect<ProfileApi, InvalidOption> =>
  Effect.gen(function* () {
    const profile = yield* decodeProfile(given)
    const tenant = yield* tenantOf(profile, inputs)
    const { header, rejected, scheme, url } = profile.api ?? {}
    return {
      ...(url === undefined ? {} : { baseUrl: plainText(url, tenant) }),
      ...(header === undefined ? {} : { header }),
      ...(scheme === undefined ? {} : { scheme }),
      ...(rejected === undefined ? {} : { rejected: ({ status }) => rejected.includes(status) })
    }
  })
