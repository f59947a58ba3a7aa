import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type { EndpointRequest } from "../oauth2/EndpointRequest.js"
import {
  type Field,
  isFixed,
  isOfTokens,
  type JsonFields,
  type Made,
  text,
  type Value,
  valueOf
} from "../oauth2/Field.js"
import type { JsonValue, ProfileRequest } from "./ProfileValues.js"

/** What the names in texts stand for. */
export type Names = Readonly<Record<string, Field>>

const NAME = /\{([^{}"\s]+)\}/g

/** The names that the texts in `value`, which is JSON, stand for. */
export const namesIn = (value: unknown): ReadonlyArray<string> =>
  [...(JSON.stringify(value) ?? "").matchAll(NAME)].map(([, name = ""]) => name)

/** A text with what its names stand for. */
export const fieldOf = (template: string, names: Names): Field => {
  const fields = namesIn(template).map((name) => names[name])
  const texts = template.split(/\{[^{}"\s]+\}/)
  return texts.length === 2 && texts.every((one) => one === "") ? fields[0] : text(texts, ...fields)
}

/** A text in which all names stand for texts. */
export const plainText = (template: string, names: Readonly<Record<string, string>>): string =>
  template.replace(NAME, (whole, name: string) => names[name] ?? whole)

/** The same of each text in a record. */
export const plainTexts = (
  templates: Readonly<Record<string, string>> | undefined,
  names: Readonly<Record<string, string>>
): Readonly<Record<string, string>> | undefined =>
  templates && Object.fromEntries(Object.entries(templates).map(([key, one]) => [key, plainText(one, names)]))

/** A declared request with what its names stand for; its address names the tenant alone. */
export const requestOf = (
  { form, headers, json, method, query, url }: ProfileRequest,
  names: Names,
  tenant: Readonly<Record<string, string>>
): EndpointRequest => {
  const fields = (texts: Readonly<Record<string, string>> | undefined) =>
    texts && Object.fromEntries(Object.entries(texts).map(([name, one]) => [name, fieldOf(one, names)]))
  return {
    url: plainText(url, tenant),
    method,
    headers: fields(headers),
    query: fields(query),
    form: fields(form),
    json: json && jsonOf(json, names)
  }
}

/** A field of another, whose text `make` makes; as secret as that one. */
export const mapField = (field: Field, make: (text: string) => Made): Field => {
  const made = (value: Value): Made =>
    value === undefined
      ? Effect.succeed(undefined)
      : Redacted.isRedacted(value)
        ? Effect.map(make(`${Redacted.value(value)}`), hidden)
        : make(`${value}`)
  if (isFixed(field)) return made(field)
  return isOfTokens(field) ? (current) => Effect.flatMap(valueOf(field, current), made) : Effect.flatMap(field, made)
}

const hidden = (value: Value): Value => (Predicate.isString(value) ? Redacted.make(value) : value)

const jsonOf = (json: Readonly<Record<string, JsonValue>>, names: Names): JsonFields =>
  Object.fromEntries(Object.entries(json).map(([name, value]) => [name, jsonValue(value, names)]))

const jsonValue = (value: JsonValue, names: Names): JsonFields[string] =>
  isList(value) ? value.map((one) => elementOf(one, names)) : elementOf(value, names)

const elementOf = (value: Exclude<JsonValue, ReadonlyArray<unknown>>, names: Names): Field | JsonFields =>
  Predicate.isString(value)
    ? fieldOf(value, names)
    : Predicate.isNumber(value) || Predicate.isBoolean(value)
      ? value
      : jsonOf(value, names)

const isList = (value: JsonValue): value is Extract<JsonValue, ReadonlyArray<unknown>> => Array.isArray(value)
