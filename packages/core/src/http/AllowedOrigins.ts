import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import { type Checks, kind, required } from "../model/Options.js"
import type { InvalidOption } from "../model/TokenError.js"
import { safeUrl } from "../transport/SafeUrl.js"

/** Where a token may go. One of the two is required; nothing is guessed. */
export interface OriginOptions {
  /** The origins that the token is meant for, such as `["https://api.example.com"]`. */
  readonly origins?: ReadonlyArray<string> | undefined
  /** Put before URLs that are relative; the token is meant for its origin. */
  readonly baseUrl?: string | undefined
}

/** Where a token may go, known to be good. */
export interface Origins {
  readonly has: (request: HttpClientRequest.HttpClientRequest) => boolean
  /** `request` as it is, or below `baseUrl` where its URL is relative. */
  readonly resolve: (request: HttpClientRequest.HttpClientRequest) => HttpClientRequest.HttpClientRequest
}

/** The origins of `options`, or the option that is wrong. */
export const resolveOrigins = (options: OriginOptions): Effect.Effect<Origins, InvalidOption> =>
  Effect.gen(function* () {
    const { baseUrl, origins } = options
    const given = baseUrl === undefined ? required(originChecks.origins) : originChecks.origins
    const problem = given(origins, "origins") ?? originChecks.baseUrl(baseUrl, "baseUrl")
    if (problem !== undefined) return yield* problem
    const allowed = new Set(origins?.map((origin) => new URL(origin).origin))
    const has: Origins["has"] = (request) => {
      const slash = request.url.indexOf("/", "https://".length)
      if (slash > 0 && allowed.has(request.url.slice(0, slash))) return true // the usual case, without parsing
      const url = Option.getOrUndefined(HttpClientRequest.toUrl(request))
      return url !== undefined && allowed.has(url.origin)
    }
    if (baseUrl === undefined) return { has, resolve: identity }
    const base = new URL(baseUrl)
    allowed.add(base.origin)
    const prefix = base.href.replace(/\/$/, "")
    const below = (path: string) => (path === "" || path.startsWith("/") ? prefix + path : `${prefix}/${path}`)
    return {
      has,
      resolve: (request) => (ABSOLUTE.test(request.url) ? request : HttpClientRequest.updateUrl(request, below))
    }
  })

const ABSOLUTE = /^[a-z][a-z\d+.-]*:/i
const ORIGINS =
  'a list with at least one origin, such as "https://api.example.com": https without a path (http on the loopback only)'
const BASE = 'an https URL without query, such as "https://api.example.com/v2" (http on the loopback only)'

const plainUrl = (value: unknown): URL | undefined =>
  Option.getOrUndefined(Option.filter(safeUrl(value), ({ href }) => !/[?#*]/.test(href)))

/** What each option of origins has to be. */
export const originChecks = {
  origins: kind(
    ORIGINS,
    (value) => Array.isArray(value) && value.length > 0 && value.every((one) => plainUrl(one)?.pathname === "/")
  ),
  baseUrl: kind(BASE, (value) => plainUrl(value) !== undefined)
} satisfies Checks<OriginOptions>
