import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { isBound, type TokenCarrier } from "./TokenCarrier.js"

/** Writes tokens into a parameter of the address (RFC 6750 section 2.3). */
export const makeParameter = (name: string): TokenCarrier => {
  const hide = (url: string) => {
    const [, path = url, query, hash = ""] = /^([^?#]*)\?([^#]*)(#.*)?$/s.exec(url) ?? []
    if (query === undefined) return url
    const others = query.split("&").filter((part) => !new URLSearchParams(part).has(name))
    return `${path}${others.length === 0 ? "" : `?${others.join("&")}`}${hash}`
  }
  return {
    header: "",
    headers: [],
    isIn: ({ url, urlParams }) => hide(url) !== url || urlParams.some(([given]) => given === name),
    strip: (request) => {
      const bare = HttpClientRequest.updateUrl(request, hide)
      return Object.assign(bare, { urlParams: UrlParams.remove(bare.urlParams, name) })
    },
    hide,
    write: (token, request) =>
      isBound(token)
        ? new HttpClientError.RequestError({
            request,
            reason: "Encode",
            description: "a token that is bound to a key cannot stand in the address"
          })
        : Effect.succeed(HttpClientRequest.setUrlParam(request, name, `${Redacted.value(token.value)}`)),
    set: () => undefined
  }
}
