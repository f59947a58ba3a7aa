import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import {
  boolean,
  type Check,
  type Checks,
  every,
  kind,
  listing,
  nested,
  oneOf,
  record,
  required
} from "../model/Options.js"
import { InvalidOption } from "../model/TokenError.js"
import type { TokenSet } from "../model/TokenSet.js"
import { type SourceError, traitChecks } from "../model/TokenSource.js"
import { endpoint } from "../transport/SafeUrl.js"
import { clientChecks } from "./ClientAuthentication.js"
import { type Field, forRequest, isFixed, type JsonFields, partsOf, type Value, valueOf } from "./Field.js"
import type { TokenEndpointOptions } from "./TokenEndpoint.js"
import { endpointOption, type TokenRequest } from "./TokenEndpointClient.js"
import { answerChecks } from "./TokenResponse.js"

/** One request, declared as data. Without `form` and `json` it has no body. */
export interface EndpointRequest {
  /** `https`, or `http` on the loopback. */
  readonly url: string
  /** @default "POST" */
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | undefined
  readonly headers?: Readonly<Record<string, Field>> | undefined
  /** Parameters in the address. */
  readonly query?: Readonly<Record<string, Field>> | undefined
  /** A form-encoded body. */
  readonly form?: Readonly<Record<string, Field>> | undefined
  /** A JSON body. */
  readonly json?: JsonFields | undefined
}

const fixed = kind(
  "text, a number, true or false, Redacted, or an Effect that gives one of these: a login has no current tokens to take it from",
  (value) => isFixed(value) || Effect.isEffect(value)
)
const value = kind(
  "text, a number, true or false, Redacted, an Effect that gives one of these, or a function of the current TokenSet to one",
  (value) => isFixed(value) || Effect.isEffect(value) || Predicate.isFunction(value)
)

const jsonOfValues = (value: Check): Check => {
  const json: Check = (given, option) =>
    Array.isArray(given)
      ? listing("a list of values", json)(given, option)
      : Predicate.isRecord(given) && !Redacted.isRedacted(given) && !Effect.isEffect(given)
        ? record("values by name", json)(given, option)
        : value(given, option)
  return every(
    record("values by name", () => undefined),
    json
  )
}

/** What each part of a request has to be whose fields are `value`. */
const requestOf = (value: Check) =>
  ({
    url: required(endpoint),
    method: oneOf("GET", "POST", "PUT", "PATCH", "DELETE"),
    headers: record("values by name", value),
    query: record("values by name", value),
    form: record("values by name", value),
    json: jsonOfValues(value)
  }) satisfies Checks<EndpointRequest>

/** What each option of `TokenEndpoint.make` has to be. */
export const endpointChecks = {
  ...clientChecks,
  ...answerChecks,
  ...traitChecks,
  login: nested(requestOf(fixed)),
  refresh: nested(requestOf(value)),
  revoke: nested(requestOf(value)),
  schema: kind("a Schema from the answer to what TokenSet.make takes", Schema.isSchema),
  extendsAccessToken: boolean
} satisfies Checks<TokenEndpointOptions>

/** A declared request that was checked. */
export interface Built {
  readonly request: EndpointRequest
  /** Makes it once, with the proof of the client, and with what its fields are this time. */
  readonly build: (
    proof: { readonly form: URLSearchParams; readonly headers: Headers },
    values: ReadonlyMap<Field, Value>
  ) => TokenRequest
}

/** What the fields of `request` that are functions or Effects are this time. */
export const valuesOf = (
  { form, headers, json, query }: EndpointRequest,
  current: TokenSet | undefined
): Effect.Effect<ReadonlyMap<Field, Value>, SourceError> =>
  Effect.gen(function* () {
    const values = new Map<Field, Value>()
    for (const field of [headers, query, form, json].flatMap((fields) => leavesOf(fields ?? {}))) {
      if (!isFixed(field)) values.set(field, yield* valueOf(field, current))
    }
    return values
  }).pipe(forRequest)

const leavesOf = (value: JsonFields[string]): ReadonlyArray<Field> =>
  isList(value) ? value.flatMap(leavesOf) : isField(value) ? [value] : Object.values(value).flatMap(leavesOf)

/** Checks a declared request, or names what is wrong with it. */
export const makeBuild = Effect.fnUntraced(function* (option: string, request: EndpointRequest) {
  const base = yield* endpointOption(`${option}.url`, request.url)
  const { method = "POST" } = request
  const bodyless = request.form === undefined && request.json === undefined
  if (!["GET", "POST", "PUT", "PATCH", "DELETE"].includes(method) || (method === "GET" && !bodyless)) {
    return yield* new InvalidOption({
      option: `${option}.method`,
      expected: "GET without a body, POST, PUT, PATCH or DELETE"
    })
  }
  if (request.form !== undefined && request.json !== undefined) {
    return yield* new InvalidOption({ option: `${option}.json`, expected: "no form beside it" })
  }
  const build: Built["build"] = (proof, values) => {
    const secrets: Array<string> = []
    const plain = (field: Field) => plainOf(field, values, secrets)
    const url = new URL(base)
    const headers = new Headers({ accept: "application/json" })
    for (const [name, value] of entries(request.headers, plain)) headers.set(name, value)
    for (const [name, value] of proof.headers) headers.set(name, value)
    for (const [name, value] of entries(request.query, plain)) url.searchParams.set(name, value)
    if (bodyless) for (const [name, value] of proof.form) url.searchParams.set(name, value)
    const type = headers.get("content-type")
    const body =
      request.json !== undefined
        ? {
            text: JSON.stringify({ ...jsonOf(request.json, plain), ...Object.fromEntries(proof.form) }),
            type: type ?? "application/json"
          }
        : request.form !== undefined
          ? { text: `${new URLSearchParams([...entries(request.form, plain), ...proof.form])}`, type: type ?? FORM }
          : undefined
    return { method, url: url.href, headers: Object.fromEntries(headers), body, secrets }
  }
  const tried = Option.liftThrowable(build)({ form: new URLSearchParams(), headers: new Headers() }, new Map())
  if (Option.isNone(tried)) return yield* new InvalidOption({ option, expected: "headers and fields that can be sent" })
  return { build, request } satisfies Built
})

const FORM = "application/x-www-form-urlencoded"

const plainOf = (
  field: Field,
  values: ReadonlyMap<Field, Value>,
  secrets: Array<string>
): string | number | boolean | undefined => {
  const value = isFixed(field) ? field : values.get(field)
  if (!Redacted.isRedacted(value)) return value
  for (const part of partsOf(value)) secrets.push(part, encodeURIComponent(part))
  return `${Redacted.value(value)}`
}

type Plain = (field: Field) => string | number | boolean | undefined

const entries = (fields: Readonly<Record<string, Field>> | undefined, plain: Plain): Array<[string, string]> =>
  Object.entries(fields ?? {}).flatMap(([name, field]) => {
    const value = plain(field)
    return value === undefined ? [] : [[name, `${value}`]]
  })

const jsonOf = (fields: JsonFields, plain: Plain): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, jsonValue(value, plain)]))

const jsonValue = (value: JsonFields[string], plain: Plain): unknown =>
  isList(value) ? value.map((item) => jsonValue(item, plain)) : isField(value) ? plain(value) : jsonOf(value, plain)

const isList = (value: JsonFields[string]): value is ReadonlyArray<Field | JsonFields> => Array.isArray(value)

const isField = (value: Field | JsonFields): value is Field =>
  !Predicate.isRecord(value) || Redacted.isRedacted(value) || Effect.isEffect(value)
