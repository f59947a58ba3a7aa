import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"

/** One way in that a server offered with a 401 (RFC 9110 section 11.6.1). */
export interface Challenge {
  /** In lower case: `bearer`, `dpop`. */
  readonly scheme: string
  /** By name, in lower case, unquoted. */
  readonly parameters: Readonly<Record<string, string>>
  /** What some schemes have instead of parameters. */
  readonly token68: string | undefined
}

/** Every challenge of a `WWW-Authenticate` header, in order. What is no challenge is left out; nothing is an error. */
export const parseChallenges = (header: string): ReadonlyArray<Challenge> => {
  const found: Array<{ scheme: string; parameters: Map<string, string>; token68: string | undefined }> = []
  let at = 0
  const take = (pattern: RegExp) => {
    pattern.lastIndex = at
    const match = pattern.exec(header)
    if (match !== null) at = pattern.lastIndex
    return match
  }
  while (at < header.length) {
    take(GAP)
    const name = take(TOKEN)?.[0].toLowerCase()
    const current = found.at(-1)
    if (name === undefined) {
      if (take(QUOTED) === null) at++
      continue
    }
    if (current !== undefined && current.token68 === undefined && take(EQUALS) !== null) {
      const quoted = take(QUOTED)
      const value = quoted === null ? take(TOKEN)?.[0] : quoted[1]?.replace(/\\(.)/gs, "$1")
      if (value !== undefined && !current.parameters.has(name)) current.parameters.set(name, value)
      continue
    }
    found.push({ scheme: name, parameters: new Map(), token68: take(TOKEN68)?.[1] })
  }
  return found.map(({ parameters, scheme, token68 }) => ({
    scheme,
    parameters: Object.fromEntries(parameters),
    token68
  }))
}

/** The challenge that says what is wrong with the token that was sent. */
export const tokenChallenge = (challenges: ReadonlyArray<Challenge>): Challenge | undefined => {
  const ours = challenges.filter(({ scheme }) => scheme === "bearer" || scheme === "dpop")
  return ours.find(({ parameters }) => parameters.error !== undefined) ?? ours[0]
}

/** The claims that a server wants in the next token: JSON, in Base64 or as it is. */
export const claimsOf = (challenge: Challenge): string | undefined => {
  const { claims } = challenge.parameters
  if (claims === undefined) return undefined
  const decoded = Either.getOrElse(Encoding.decodeBase64String(claims), () =>
    Either.getOrElse(Encoding.decodeBase64UrlString(claims), () => claims)
  )
  return decoded.startsWith("{") ? decoded : claims
}

/** Whether any token that is issued from now on has the claims: all that they ask for is one that is new enough. */
export const asksForNewer = (claims: string): boolean => {
  const wanted = Option.getOrUndefined(parseJson(claims))
  const token = Predicate.hasProperty(wanted, "access_token") ? wanted.access_token : undefined
  return Predicate.isRecord(token) && Object.keys(token).every((name) => name === "nbf")
}

const parseJson = Option.liftThrowable((json: string): unknown => JSON.parse(json))

const GAP = /[\s,]*/y
const TOKEN = /[!#$%&'*+\-.^_`|~\w]+/y
const EQUALS = /[ \t]*=[ \t]*/y
const QUOTED = /"((?:[^"\\]|\\.)*)(?:"|\\?$)/sy
const TOKEN68 = /[ \t]+([\w\-.~+/]+=*)[ \t]*(?=,|$)/y
