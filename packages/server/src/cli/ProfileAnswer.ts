import { generateKeyPairSync } from "node:crypto"
import { readFileSync } from "node:fs"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { TokenSet } from "@evertoken/core"
import { decodeProfile, fromProfile, type ProfileInputs, type ProviderProfile } from "@evertoken/core/profile"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { named } from "../config/Profiles.js"
import { SettingsError } from "../config/Settings.js"
import { say } from "./Maintenance.js"

/** Says what a profile makes of an answer that was recorded. It asks nobody. */
export const profileAnswer = Effect.fnUntraced(function* (profile: string | undefined, answer: string | undefined) {
  const json = yield* readJson("--profile", profile, true)
  const recorded = yield* Effect.mapError(
    Effect.flatMap(readJson("--answer", answer, false), Schema.decodeUnknown(Recorded)),
    (error) =>
      error._tag === "SettingsError"
        ? error
        : new SettingsError({ setting: "--answer", problem: 'expected { "status": 200, "headers": {}, "body": … }' })
  )
  const { good, lines } = yield* toldOf(json, recorded)
  for (const line of lines) yield* say(line)
  return good ? 0 : 1
})

/** One answer as it came, its secrets taken out. */
export const Recorded = Schema.Struct({
  status: Schema.optionalWith(Schema.Int, { default: () => 200 }),
  headers: Schema.optionalWith(Schema.Record({ key: Schema.String, value: Schema.String }), { default: () => ({}) }),
  body: Schema.Unknown
})

/** What the profile makes of an answer, in words; an error that the answer tells is as good as a token. */
export const toldOf = (json: unknown, recorded: typeof Recorded.Type) =>
  Effect.gen(function* () {
    const profile = yield* decodeProfile(json)
    const left = secretsIn(recorded.body, "body")
    if (left !== undefined) {
      return { good: false, lines: [`WRONG  ${left} looks like a secret: write a short word in its place`] }
    }
    const { login, refresh } = yield* Effect.provideService(
      fromProfile({ ...profile, ...anyTenant(profile) }, inputsOf(profile)),
      HttpClient.HttpClient,
      answering(recorded)
    )
    const current = TokenSet.make({ accessToken: "old", refreshToken: "old-refresh-token" })
    const asked = yield* Effect.either(login ?? refresh?.(current) ?? Effect.succeed(current))
    if (asked._tag === "Left") {
      const { left: error } = asked
      const isRead = !(error._tag === "TokenEndpointError" && error.reason === "unreadable")
      return { good: isRead, lines: [`${isRead ? "error " : "WRONG "} ${error._tag}: ${error.message}`] }
    }
    const { expiresAt, expiresIn, extra, refreshToken, refreshTokenExpiresIn, scopes, tokenType } = asked.right
    const lives =
      expiresIn === undefined
        ? expiresAt === undefined
          ? "nobody says how long it lives"
          : `it ends at ${new Date(expiresAt).toISOString()}`
        : `it lives for ${Duration.format(expiresIn)}`
    const kept = Object.keys(extra)
    const missing = (profile.answer?.keep ?? []).filter((name) => !kept.includes(name))
    return {
      good: missing.length === 0,
      lines: [
        `token  of type ${tokenType}; ${lives}`,
        refreshToken === undefined
          ? "       no refresh token: the one in hand is kept"
          : `       a refresh token${refreshTokenExpiresIn ? `, which lives for ${Duration.format(refreshTokenExpiresIn)}` : ""}`,
        ...(scopes === undefined ? [] : [`       scopes: ${scopes.join(" ")}`]),
        ...(kept.length === 0 ? [] : [`       kept: ${kept.join(", ")}`]),
        ...missing.map((name) => `WRONG  answer.keep: there is no ${name}`)
      ]
    }
  })

/** A file of JSON, or, where it may be one, the id of a profile. */
const readJson = (option: string, text: string | undefined, isProfile: boolean) =>
  Effect.gen(function* () {
    if (text === undefined) return yield* new SettingsError({ setting: option, problem: "it is missing" })
    if (isProfile && !/[./\\]/.test(text)) return yield* named(option, text)
    return yield* Effect.try({
      try: (): unknown => JSON.parse(readFileSync(text, "utf8")),
      catch: () => new SettingsError({ setting: option, problem: `${text} is no file of JSON` })
    })
  })

const answering = ({ body, headers, status }: typeof Recorded.Type) =>
  HttpClient.make((request) =>
    Effect.succeed(
      HttpClientResponse.fromWeb(
        request,
        Predicate.isString(body) ? new Response(body, { status, headers }) : Response.json(body, { status, headers })
      )
    )
  )

/** Nobody is asked, so any tenant will do. */
const anyTenant = ({ tenant }: ProviderProfile) =>
  tenant === undefined ? {} : { tenant: Record.map(tenant, () => ".+") }

const inputsOf = (profile: ProviderProfile): ProfileInputs => {
  const { client, grants, secrets = [], tenant } = profile
  const texts = JSON.stringify(profile)
  const isSigned = grants[0] === "jwt_bearer"
  const key = () => Redacted.make(newKey(texts.includes('"ES256"') ? "ec" : "rsa"))
  // A shared secret may have to be hexadecimal, or base64: this is both.
  const keyOf = (name: string) =>
    Object.values(profile.values ?? {}).some(
      (one) => "jwt" in one && one.jwt.key === name && one.jwt.keyAs !== undefined
    )
      ? Redacted.make("00".repeat(32))
      : key()
  return {
    ...(tenant === undefined ? {} : { tenant: Record.map(tenant, () => "x") }),
    ...((client !== undefined && !isSigned) || texts.includes("{clientId}") ? { clientId: "client" } : {}),
    ...((client !== undefined && !isSigned) || texts.includes("{clientSecret}")
      ? { clientSecret: Redacted.make("client-secret") }
      : {}),
    ...(secrets.length === 0 ? {} : { secrets: Object.fromEntries(secrets.map((name) => [name, keyOf(name)])) }),
    ...(isSigned ? { issuedBy: "robot", signingKey: { key: key() } } : {}),
    ...(grants[0] === "token_exchange" ? { subjectToken: Effect.succeed(Redacted.make("subject")) } : {})
  }
}

const newKey = (kind: "ec" | "rsa"): string => {
  const pair =
    kind === "ec"
      ? generateKeyPairSync("ec", { namedCurve: "P-256" })
      : generateKeyPairSync("rsa", { modulusLength: 2048 })
  return `${pair.privateKey.export({ type: "pkcs8", format: "pem" })}`
}

/** Where in an answer something stands that nobody would type. */
const secretsIn = (value: unknown, at: string): string | undefined => {
  if (Predicate.isString(value))
    return /^(?=.*\d)(?=.*[a-z])[\w.~+/=-]{24,}$/i.test(value) && !PLAIN.test(value) ? at : undefined
  if (!Predicate.isObject(value)) return undefined
  const entries = Option.fromIterable(
    Object.entries(value).flatMap(([name, one]) => secretsIn(one, `${at}.${name}`) ?? [])
  )
  return Option.getOrUndefined(entries)
}

const PLAIN = /^https?:|^\d{4}-\d\d-\d\dT/
