import type * as Schema from "effect/Schema"
import { listOf } from "../model/Options.js"
import { OF_REFRESH } from "../model/TokenSource.js"
import { endpoint } from "../transport/SafeUrl.js"
import { apiProblems } from "./ApiAddress.js"
import { isShared } from "./ComputedValues.js"
import { issue, namedBy } from "./ProfileIssue.js"
import { namesIn, plainText } from "./ProfileText.js"
import { type ProfileRequest, type Requests, stepsOf } from "./ProfileValues.js"
import type { Grant, ProfileFields } from "./ProviderProfile.js"

/** What is wrong with a profile whose parts are right: a name that nothing stands for, a part that has no effect. */
export const problemsOf = (profile: ProfileFields): ReadonlyArray<Schema.FilterIssue> => [
  ...partsOf(profile),
  ...textsOf(profile),
  ...apiProblems(profile),
  ...unusedOf(profile)
]

const CLIENT = ["clientId", "clientSecret"]
const TOKENS = ["accessToken", "refreshToken"]
const CODE = ["code", "redirectUri", "verifier"]

/** Which parts a grant needs: one of each list. */
const NEEDED: Readonly<
  Record<Grant, ReadonlyArray<ReadonlyArray<"authorize" | "device" | "exchange" | "login" | "refresh" | "token">>>
> = {
  authorization_code: [["authorize"], ["token", "exchange"], ["token", "refresh"]],
  refresh_token: [["token", "refresh"]],
  client_credentials: [["token"]],
  device_code: [["device"], ["token"]],
  jwt_bearer: [["token"]],
  token_exchange: [["token"]],
  login: [["login"]]
}

/** Which grants a part is for. */
const USED = {
  authorize: ["authorization_code"],
  exchange: ["authorization_code"],
  device: ["device_code"],
  login: ["login"],
  refresh: ["authorization_code", "refresh_token", "device_code", "jwt_bearer", "token_exchange", "login"]
} as const satisfies Readonly<Record<string, ReadonlyArray<Grant>>>

const partsOf = (profile: ProfileFields): ReadonlyArray<Schema.FilterIssue> => {
  const { answer, authorize, client, exchange, grants, refresh, token, traits = {} } = profile
  const found: Array<Schema.FilterIssue> = []
  for (const grant of grants) {
    for (const parts of NEEDED[grant]) {
      if (parts.every((part) => profile[part] === undefined)) {
        found.push(issue([parts[0] ?? grant], `${listOf(parts)}: the grant "${grant}" needs it`))
      }
    }
  }
  for (const [part, users] of entriesOf(USED)) {
    if (profile[part] !== undefined && !users.some((grant) => grants.includes(grant))) {
      found.push(issue([part], `the grant ${listOf(users)} beside it: without, it has no effect`))
    }
  }
  if (token !== undefined && client === undefined)
    found.push(issue(["client"], "how the client proves itself at `token`"))
  if (refresh === undefined && (token === undefined || grants.every((grant) => grant === "client_credentials"))) {
    for (const trait of OF_REFRESH) {
      if (traits[trait] !== undefined) found.push(issue(["traits", trait], "a refresh: without, it has no effect"))
    }
  }
  if (traits.revokes !== undefined && profile.revoke === undefined) {
    found.push(issue(["traits", "revokes"], "a `revoke` beside it: without, it has no effect"))
  }
  if (exchange !== undefined && authorize?.pkce !== false && !namesIn(exchange).includes("verifier")) {
    found.push(issue(["authorize", "pkce"], 'false, or "{verifier}" in `exchange`'))
  }
  if (exchange === undefined && authorize?.clientIdName !== undefined) {
    found.push(issue(["authorize", "clientIdName"], "an `exchange` beside it, which has that name too"))
  }
  if (answer?.extendsAccessToken !== undefined && refresh === undefined) {
    found.push(issue(["answer", "extendsAccessToken"], "a `refresh` beside it: without, it has no effect"))
  }
  return found
}

/** Names that nothing stands for, and addresses that no secret may go to. */
const textsOf = (profile: ProfileFields): ReadonlyArray<Schema.FilterIssue> => {
  const { authorize, device, exchange, login, refresh, revoke, secrets = [], tenant = {}, token, values = {} } = profile
  const found: Array<Schema.FilterIssue> = []
  const known = (value: unknown, names: ReadonlyArray<string>, ...path: ReadonlyArray<string>) => {
    for (const name of namesIn(value)) {
      if (!names.includes(name)) found.push(issue(path, namedBy(name, names)))
    }
  }
  const own = Object.keys(tenant)
  const address = (url: string | undefined, ...path: ReadonlyArray<string>) => {
    known(url, own, ...path)
    const sample = url && plainText(url, Object.fromEntries(own.map((name) => [name, "x"])))
    const problem = endpoint(sample, "url")
    if (problem !== undefined) found.push(issue(path, problem.expected))
  }
  const names = [...own, ...CLIENT, ...secrets, ...Object.keys(values)]
  const tokens = new Set(TOKENS)
  /** What a text needs, also by the values that it names. */
  const needs = (value: unknown): ReadonlyArray<string> =>
    namesIn(value).flatMap((name) => (Object.hasOwn(values, name) ? [name, ...needs(values[name])] : [name]))
  const request = (
    part: string,
    declared: string | ProfileRequest | ProfileFields["token"],
    more: ReadonlyArray<string>
  ) => {
    if (declared === undefined) return
    if (typeof declared === "string") return address(declared, part)
    const { url, ...texts } = declared
    address(url, part, "url")
    known(texts, [...names, ...more], part)
    if (more.includes("accessToken")) return
    tokenless(texts, part)
  }
  const tokenless = (texts: unknown, part: string) => {
    const missing = needs(texts).find((name) => tokens.has(name))
    if (missing !== undefined) found.push(issue([part], `no "{${missing}}": there are no tokens yet`))
  }
  request("token", token, [])
  known(authorize?.parameters, [...own, "clientId"], "authorize", "parameters")
  for (const [part, url] of [
    ["authorize", authorize?.url],
    ["device", device?.url]
  ] as const) {
    if (url !== undefined) address(url, part, "url")
  }
  const requests = (part: string, declared: Requests, more: ReadonlyArray<string>) => {
    for (const [at, step] of stepsOf(declared).entries()) request(part, step, at === 0 ? more : [...more, ...TOKENS])
  }
  if (login !== undefined && "token" in login) {
    known(login, names, "login", "token")
    tokenless(login, "login")
  } else if (login !== undefined) requests("login", login, [])
  if (refresh !== undefined) {
    for (const step of stepsOf(refresh)) request("refresh", step, TOKENS)
  }
  request("revoke", revoke, TOKENS)
  if (exchange !== undefined) requests("exchange", exchange, CODE)
  const before = [...own, ...CLIENT, ...secrets, ...TOKENS]
  for (const [name, value] of Object.entries(values)) {
    known(value, before, "values", name)
    before.push(name)
    if (!("jwt" in value)) continue
    const { algorithm, header = {}, key, keyAs } = value.jwt
    for (const own of ["alg", "kid"]) {
      if (Object.hasOwn(header, own)) {
        found.push(issue(["values", name, "jwt", "header", own], "no such name: `algorithm` and `keyId` say it"))
      }
    }
    if (!secrets.includes(key)) found.push(issue(["values", name, "jwt", "key"], "the name of one of the `secrets`"))
    if (keyAs !== undefined && !isShared(algorithm)) {
      found.push(
        issue(["values", name, "jwt", "keyAs"], 'an `algorithm` of a shared secret beside it, such as "HS256"')
      )
    }
    if (isShared(algorithm) && !["HS256", "HS384", "HS512"].includes(algorithm)) {
      found.push(issue(["values", name, "jwt", "algorithm"], '"HS256", "HS384" or "HS512"'))
    }
  }
  const all = [...names, ...TOKENS, ...CODE]
  const twice = all.find((name, at) => all.indexOf(name) !== at)
  if (twice !== undefined) found.push(issue(["secrets"], `one meaning for "${twice}"`))
  return found
}

/** What is declared and stands nowhere. */
const unusedOf = ({
  secrets = [],
  tenant = {},
  values = {},
  ...rest
}: ProfileFields): ReadonlyArray<Schema.FilterIssue> => {
  const keys = Object.values(values).flatMap((value) => ("jwt" in value ? [value.jwt.key] : []))
  const used = new Set([...namesIn(rest), ...namesIn(values), ...keys])
  const unused = (part: string, names: ReadonlyArray<string>) =>
    names.filter((name) => !used.has(name)).map((name) => issue([part], `"{${name}}" in a text: it stands nowhere`))
  return [
    ...unused("tenant", Object.keys(tenant)),
    ...unused("secrets", secrets),
    ...unused("values", Object.keys(values))
  ]
}

const entriesOf = <A extends Readonly<Record<string, unknown>>>(record: A) =>
  Object.entries(record) as ReadonlyArray<{ [K in keyof A]: readonly [K, A[K]] }[keyof A]>
