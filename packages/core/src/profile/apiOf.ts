import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { InvalidOption } from "../model/TokenError.js"
import { keptIn } from "./ApiAddress.js"
import { decodeProfile } from "./decodeProfile.js"
import { type ProfileInputs, tenantOf } from "./ProfileInputs.js"
import { plainText } from "./ProfileText.js"
import type { ProviderProfile } from "./ProviderProfile.js"

/** What `TokenHttpClient.make` takes, as far as the provider's profile knows it. */
export interface ProfileApi {
  readonly baseUrl?: string
  readonly address?: {
    readonly of: (extra: Readonly<Record<string, unknown>>) => string | undefined
    readonly hosts: RegExp
  }
  readonly header?: string
  readonly scheme?: string
  readonly query?: string
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
    const { header, hosts, query, rejected, scheme, url } = profile.api ?? {}
    const kept = keptIn(profile)
    const of = (extra: Readonly<Record<string, unknown>>) => {
      const texts: Record<string, string> = { ...tenant }
      for (const name of kept) {
        const value = extra[name]
        if (!Predicate.isString(value) && !Predicate.isNumber(value)) return undefined
        texts[name] = `${value}`
      }
      return plainText(url ?? "", texts)
    }
    return {
      ...(url === undefined
        ? {}
        : hosts === undefined
          ? { baseUrl: plainText(url, tenant) }
          : { address: { of, hosts: new RegExp(hosts) } }),
      ...(header === undefined ? {} : { header }),
      ...(scheme === undefined ? {} : { scheme }),
      ...(query === undefined ? {} : { query }),
      ...(rejected === undefined ? {} : { rejected: ({ status }) => rejected.includes(status) })
    }
  })
