import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Struct from "effect/Struct"
import type { TraitOptions } from "../model/TokenSource.js"
import { type ErrorOptions, failsUnless } from "../oauth2/ErrorResponse.js"
import {
  clock as clockOf,
  type Expiry,
  epochMillis,
  epochSeconds,
  first,
  isoDate,
  jwt,
  fixed as lifetimeOf,
  millis,
  minutes,
  seconds
} from "../oauth2/Expiry.js"
import type { AnswerOptions } from "../oauth2/TokenResponse.js"
import type { Expires } from "./ProfileValues.js"
import type { ProviderProfile } from "./ProviderProfile.js"

/** How answers and errors of a profile are read. */
export const answerOptions = ({ answer = {}, errors = {} }: ProviderProfile): AnswerOptions => {
  const { accessToken, expires, keep, refreshExpires, refreshToken, scope, tokenType, tokenTypeAt } = answer
  return {
    fields: { accessToken, refreshToken, scope, tokenType: tokenTypeAt },
    expiry: expiryOf(expires),
    refreshExpiry: expiryOf(refreshExpires),
    ...{ keep, tokenType },
    errorCode: errorCodeOf(errors),
    errors: errors.meanings
  }
}

/** How a profile's server treats refresh tokens. */
export const traitOptions = ({ traits = {} }: ProviderProfile): TraitOptions => {
  const { earliestRefresh, keepAlive, refreshTokenLifetime, replay, replayWindow, revokes, revokesAccessToken } = traits
  return {
    ...{ replay, revokes, revokesAccessToken },
    earliestRefresh: span(earliestRefresh),
    keepAlive: span(keepAlive),
    refreshTokenLifetime: span(refreshTokenLifetime),
    replayWindow: span(replayWindow)
  }
}

/** A duration of a profile; the schema has looked at it. */
export const lasting = (text: string): Duration.Duration =>
  Option.getOrElse(Duration.decodeUnknown(text), () => Duration.zero)

const span = (text: string | undefined) => (text === undefined ? undefined : lasting(text))

const expiryOf = (expires: Expires | ReadonlyArray<Expires> | undefined): Expiry | undefined =>
  expires === undefined ? undefined : isList(expires) ? first(...expires.map(readerOf)) : readerOf(expires)

const readerOf = ({ clock, fixed, format, ...named }: Expires): Expiry => {
  if (fixed !== undefined) return lifetimeOf(lasting(fixed))
  if (clock !== undefined) return clockOf(clock, format)
  const readers = Struct.keys(NAMED).flatMap((kind) => {
    const field = named[kind]
    return field === undefined ? [] : [NAMED[kind](field)]
  })
  return first(...readers)
}

const NAMED = { seconds, minutes, millis, isoDate, epochSeconds, epochMillis, jwt }

const errorCodeOf = ({ code, success }: NonNullable<ProviderProfile["errors"]>): ErrorOptions["errorCode"] => {
  if (success !== undefined) return failsUnless(success.at, success.is, code)
  return code === undefined ? undefined : failsUnless(code, ["", null, false, 0])
}

const isList = (expires: Expires | ReadonlyArray<Expires>): expires is ReadonlyArray<Expires> => Array.isArray(expires)
