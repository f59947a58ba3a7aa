import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { AccessToken } from "../model/AccessToken.js"
import { scheme as authenticationScheme, type Checks, token } from "../model/Options.js"
import type { InvalidOption } from "../model/TokenError.js"
import { type Prover, prover } from "../transport/DpopProof.js"

/** How a token is written into a request. */
export interface HeaderOptions {
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
}

/** What each option of the header has to be. */
export const headerChecks = {
  header: token("the name of a header"),
  scheme: authenticationScheme
} satisfies Checks<HeaderOptions>

/** Writes tokens into requests. */
export interface TokenHeader {
  /** The header that carries the token, in lower case. */
  readonly name: string
  /** All headers that are ours, in lower case. */
  readonly names: ReadonlyArray<string>
  /** The headers of one request; a proof of possession is made anew for each. */
  readonly write: (
    token: AccessToken,
    request: HttpClientRequest.HttpClientRequest,
    nonce: string | undefined
  ) => Effect.Effect<Readonly<Record<string, string>>, HttpClientError.RequestError>
  /** `request` with the header, where that is all it takes: not for a bound token, nor one that cannot be written. */
  readonly set: (
    token: AccessToken,
    request: HttpClientRequest.HttpClientRequest
  ) => HttpClientRequest.HttpClientRequest | undefined
}

/** Whether requests with this token carry a proof of possession (RFC 9449). */
export const isBound = (token: AccessToken): boolean => token.type.toLowerCase() === "dpop"

/** Checks the options. */
export const makeHeader = (options: HeaderOptions): Effect.Effect<TokenHeader, InvalidOption> =>
  Effect.gen(function* () {
    const { header = "authorization", scheme } = options
    const problem = headerChecks.header(header, "header") ?? headerChecks.scheme(scheme, "scheme")
    if (problem !== undefined) return yield* problem
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

    const write: TokenHeader["write"] = (token, request, nonce) => {
      const line = lineOf(token)
      if (line === undefined) return unsendable(request, "the token, or its type, cannot stand in a header")
      if (!isBound(token)) return Effect.succeed(line)
      const { proofKey, value } = token
      const url = Option.match(HttpClientRequest.toUrl(request), {
        onNone: () => request.url,
        onSome: ({ href }) => href
      })
      if (proofKey === undefined) return unsendable(request, "the token is of type DPoP and comes without its key")
      return proverOf(proofKey).pipe(
        Effect.flatMap((prove) => prove({ method: request.method, url, accessToken: value, nonce })),
        Effect.map((dpop) => ({ ...line, dpop })),
        Effect.catchAll((error) => unsendable(request, error.message))
      )
    }
    const set: TokenHeader["set"] = (token, request) => {
      const line = isBound(token) ? undefined : lineOf(token)
      return line && HttpClientRequest.setHeaders(request, line)
    }
    return { name, names: [name, "dpop"], write, set }
  })

const unsendable = (request: HttpClientRequest.HttpClientRequest, description: string) =>
  new HttpClientError.RequestError({ request, reason: "Encode", description })

const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/
const PRINTABLE = /^[\x21-\x7e]+$/
