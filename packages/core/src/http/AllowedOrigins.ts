import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import type { AccessToken } from "../model/AccessToken.js"
import { type Checks, kind, nested, required } from "../model/Options.js"
import type { InvalidOption } from "../model/TokenError.js"
import { type AddressOptions, addressChecks, baseUrlOf, makeAddress } from "./TokenAddress.js"

/** Where a token may go. `origins`, `baseUrl` or `address` is required; nothing is guessed. */
export interface OriginOptions {
  /** The origins that the token is meant for, such as `["https://api.example.com"]`. */
  readonly origins?: ReadonlyArray<string> | undefined
  /** Put before URLs that are relative; the token is meant for its origin. */
  readonly baseUrl?: string | undefined
  /** The same where the address of the API comes with the token, in the place of `baseUrl`. */
  readonly address?: AddressOptions | undefined
}

/** Where a token may go, known to be good. */
export interface Origins {
  /** Whether `request` may go with a token; where that is up to the token, `at` says it. */
  readonly has: (request: Request) => boolean
  /** `request` as it is, or below `baseUrl` where its URL is relative. */
  readonly resolve: (request: Request) => Request
  /** `request` as it goes with this token; undefined where the token is not for it. */
  readonly at: (request: Request, token: AccessToken) => Request | undefined
  /** `request`, which went with the token `from`, as it goes with `to`. */
  readonly move: (request: Request, from: AccessToken, to: AccessToken) => Request | undefined
}

type Request = HttpClientRequest.HttpClientRequest

/** The origins of `options`, or the option that is wrong. */
export const resolveOrigins = (options: OriginOptions): Effect.Effect<Origins, InvalidOption> =>
  Effect.gen(function* () {
    const { baseUrl, origins } = options
    const isOpen = baseUrl === undefined && options.address === undefined
    const given = isOpen ? required(originChecks.origins) : originChecks.origins
    const problem =
      given(origins, "origins") ??
      originChecks.baseUrl(baseUrl, "baseUrl") ??
      originChecks.address(options.address, "address") ??
      (baseUrl === undefined ? undefined : noAddress(options.address, "address"))
    if (problem !== undefined) return yield* problem
    const allowed = new Set(origins?.map((origin) => new URL(origin).origin))
    const has: Origins["has"] = (request) => {
      const slash = request.url.indexOf("/", "https://".length)
      if (slash > 0 && allowed.has(request.url.slice(0, slash))) return true // the usual case, without parsing
      const url = Option.getOrUndefined(HttpClientRequest.toUrl(request))
      return url !== undefined && allowed.has(url.origin)
    }
    if (options.address !== undefined) return withAddress(options.address, has)
    const at: Origins["at"] = (request) => (has(request) ? request : undefined)
    const fixed = { has, at, move: identity }
    if (baseUrl === undefined) return { ...fixed, resolve: identity }
    const base = new URL(baseUrl)
    allowed.add(base.origin)
    return { ...fixed, resolve: (request) => (isAbsolute(request) ? request : below(base, request)) }
  })

/** Where tokens go whose address comes with them, beside the origins that `has` knows. */
const withAddress = (options: AddressOptions, has: Origins["has"]): Origins => {
  const { allows, of } = makeAddress(options)
  const at: Origins["at"] = (request, token) => {
    const base = of(token)
    if (!isAbsolute(request)) return base && below(base, request)
    return has(request) || (base !== undefined && urlOf(request)?.origin === base.origin) ? request : undefined
  }
  return {
    has: (request) => !isAbsolute(request) || has(request) || allows(urlOf(request)),
    resolve: identity,
    at,
    move: (request, from, to) => {
      const [old, base] = [of(from), of(to)]
      if (old === undefined || base === undefined || urlOf(request)?.origin !== old.origin) return at(request, to)
      const { url } = request
      const lead = [prefixOf(old), old.origin].find(
        (text) => url.startsWith(text) && /^(?:$|[/?#])/.test(url.slice(text.length))
      )
      const next = lead === old.origin ? base.origin : prefixOf(base)
      return at(
        lead === undefined ? request : HttpClientRequest.updateUrl(request, () => next + url.slice(lead.length)),
        to
      )
    }
  }
}

/** Whether the URL of `request` says its host. */
export const isAbsolute = ({ url }: Request): boolean => /^[a-z][a-z\d+.-]*:/i.test(url)
const urlOf = (request: Request): URL | undefined => Option.getOrUndefined(HttpClientRequest.toUrl(request))
const prefixOf = (base: URL): string => base.href.replace(/\/$/, "")
const below = (base: URL, request: Request): Request =>
  HttpClientRequest.updateUrl(request, (path) =>
    path === "" || path.startsWith("/") ? prefixOf(base) + path : `${prefixOf(base)}/${path}`
  )

const ORIGINS =
  'a list with at least one origin, such as "https://api.example.com": https without a path (http on the loopback only)'
const BASE = 'an https URL without query, such as "https://api.example.com/v2" (http on the loopback only)'

const noAddress = kind("no baseUrl beside it: both are put before URLs that are relative", () => false)

/** What each option of origins has to be. */
export const originChecks = {
  origins: kind(
    ORIGINS,
    (value) => Array.isArray(value) && value.length > 0 && value.every((one) => baseUrlOf(one)?.pathname === "/")
  ),
  baseUrl: kind(BASE, (value) => baseUrlOf(value) !== undefined),
  address: nested(addressChecks)
} satisfies Checks<OriginOptions>
