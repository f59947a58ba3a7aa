import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { AccessToken } from "../model/AccessToken.js"
import { scheme as authenticationScheme, type Checks, kind, text, token } from "../model/Options.js"
import type { InvalidOption } from "../model/TokenError.js"
import { type Prover, prover } from "../transport/DpopProof.js"
import { withoutHeaders } from "./AuthorizedResponse.js"
import { isBound, type TokenCarrier } from "./TokenCarrier.js"
import { makeParameter } from "./TokenParameter.js"

/** How a token is written into a request. */
export interface CarrierOptions {
  /**
   * The header that carries the token.
   * @default "Authorization"
   */
  readonly header?: string | undefined
  /**
   * What stands before the token in it: `"Zoho-oauthtoken"`.
   * @default the type of the token, such as `Bearer`; nothing where `header` is given
   */
  readonly scheme?: string | undefined
  /**
   * The parameter of the address that carries the token, in the place of a header (RFC 6750 section 2.3):
   * `"access_token"`. No span, error or response shows it.
   */
  readonly query?: string | undefined
}

/** What each option of both has to be. */
export const carrierChecks = {
  header: token("the name of a header"),
  scheme: authenticationScheme,
  query: text()
} satisfies Checks<CarrierOptions>

/** What carries tokens as the options say, or the option that is wrong. */
export const makeCarrier = (options: CarrierOptions): Effect.Effect<TokenCarrier, InvalidOption> =>
  Effect.gen(function* () {
    const { header = "authorization", query, scheme } = options
    const problem =
      carrierChecks.header(header, "header") ??
      carrierChecks.scheme(scheme, "scheme") ??
      carrierChecks.query(query, "query") ??
      (query === undefined ? undefined : (alone(options.header, "header") ?? alone(scheme, "scheme")))
    if (problem !== undefined) return yield* problem
    if (query !== undefined) return makeParameter(query)
    const name = header.toLowerCase()
    const plain = name !== "authorization" && scheme === undefined
    let written: { readonly token: AccessToken; readonly headers: Readonly<Record<string, string>> } | undefined
    let proving: { readonly key: Redacted.Redacted; readonly prove: Prover } | undefined

    const lineOf = (token: AccessToken) => {
      if (written?.token === token) return written.headers
      const value = `${Redacted.value(token.value)}`
      const type = scheme ?? (isBound(token) ? "DPoP" : token.type)
      if (!PRINTABLE.test(value) || !(plain || TOKEN.test(type))) return undefined
      written = { token, headers: { [name]: plain ? value : `${type} ${value}` } }
      return written.headers
    }

    const proverOf = (key: Redacted.Redacted) =>
      proving !== undefined && Equal.equals(proving.key, key)
        ? Effect.succeed(proving.prove)
        : Effect.tap(prover(key), (prove) => {
            proving = { key, prove }
          })

    const write: TokenCarrier["write"] = (token, request, nonce) => {
      const line = lineOf(token)
      if (line === undefined) return unsendable(request, "the token, or its type, cannot stand in a header")
      if (!isBound(token)) return Effect.succeed(HttpClientRequest.setHeaders(request, line))
      const { proofKey, value } = token
      const url = Option.match(HttpClientRequest.toUrl(request), {
        onNone: () => request.url,
        onSome: ({ href }) => href
      })
      if (proofKey === undefined) return unsendable(request, "the token is of type DPoP and comes without its key")
      return proverOf(proofKey).pipe(
        Effect.flatMap((prove) => prove({ method: request.method, url, accessToken: value, nonce })),
        Effect.map((dpop) => HttpClientRequest.setHeaders(request, { ...line, dpop })),
        Effect.catchAll((error) => unsendable(request, error.message))
      )
    }
    const headers = [name, "dpop"]
    return {
      ...{ header: name, headers, write, hide: identity },
      isIn: (request) => name in request.headers,
      strip: (request) => withoutHeaders(request, headers),
      set: (token, request) => {
        const line = isBound(token) ? undefined : lineOf(token)
        return line && HttpClientRequest.setHeaders(request, line)
      }
    }
  })

const alone = kind("no query beside it, which carries the token in its place", () => false)

const unsendable = (request: HttpClientRequest.HttpClientRequest, description: string) =>
  new HttpClientError.RequestError({ request, reason: "Encode", description })

const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/
const PRINTABLE = /^[\x21-\x7e]+$/
