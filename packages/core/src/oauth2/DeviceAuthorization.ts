import type * as HttpClient from "@effect/platform/HttpClient"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { checkOptions } from "../model/Options.js"
import { GrantRejected, type InvalidOption, TokenEndpointError } from "../model/TokenError.js"
import type { TokenSet } from "../model/TokenSet.js"
import { type SourceError, TokenSource, traitsOf } from "../model/TokenSource.js"
import { accept } from "./ErrorResponse.js"
import { seconds } from "./Expiry.js"
import { deviceChecks } from "./GrantChecks.js"
import { at } from "./JsonPath.js"
import { made, makeClient, type RefreshOptions, scopeText } from "./OAuth2Client.js"
import { deviceRequest } from "./OAuth2Request.js"
import { endpointOption, inTime } from "./TokenEndpointClient.js"

/** A source that refreshes, and the way a person gets its first tokens on another device. */
export interface DeviceAuthorization extends TokenSource {
  /** Asks for a code to show to the person. */
  readonly start: Effect.Effect<DeviceCode, SourceError>
  /**
   * Waits until the person agreed, and gives the tokens for the provider's `put`; `GrantRejected` where they declined or
   * the code ran out. Asks no more often than the server wants (RFC 8628 section 3.5), and outlives passing failures.
   */
  readonly wait: (code: DeviceCode) => Effect.Effect<TokenSet, SourceError>
}

/** What to show to the person, and what the device keeps for itself. */
export interface DeviceCode {
  readonly userCode: string
  readonly verificationUri: string
  /** The same address with the code in it, for a link or a QR code. */
  readonly verificationUriComplete: string | undefined
  /** When the code runs out, in epoch milliseconds. */
  readonly expiresAt: number
  readonly interval: Duration.Duration
  readonly deviceCode: Redacted.Redacted
}

/** What `deviceAuthorization` takes. */
export interface DeviceAuthorizationOptions extends RefreshOptions {
  /** Where codes are asked for; `OAuth2.discover` gives it. */
  readonly deviceAuthorizationEndpoint?: string | undefined
}

/**
 * Tokens that a person agrees to on another device (RFC 8628).
 *
 * @example
 * ```ts
 * const login = yield* OAuth2.deviceAuthorization({
 *   deviceAuthorizationEndpoint: "https://auth.example.com/device",
 *   tokenEndpoint: "https://auth.example.com/token",
 *   clientId: "cli"
 * })
 * const code = yield* login.start
 * yield* Console.log(`Open ${code.verificationUri} and enter ${code.userCode}`)
 * const tokens = yield* login.wait(code)
 * ```
 */
export const deviceAuthorization = (
  options: DeviceAuthorizationOptions
): Effect.Effect<DeviceAuthorization, InvalidOption, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    yield* checkOptions(options, deviceChecks)
    const endpoint = yield* endpointOption("deviceAuthorizationEndpoint", options.deviceAuthorizationEndpoint)
    const rules = {
      ...options,
      errors: { expired_token: "refused", access_denied: "refused", ...options.errors }
    } as const
    const client = yield* makeClient(rules, { device_authorization_endpoint: endpoint.href })
    const { identity, refresh, revoke } = client
    const source = yield* TokenSource.make({ ...traitsOf(options), fenced: true, identity, refresh, revoke })

    const start = Effect.gen(function* () {
      const answer = yield* inTime(
        Effect.flatMap(made(options.parameters), (more) =>
          client.ask(deviceRequest, { ...more, scope: scopeText(options.scope) })
        )
      )
      yield* accept(answer, rules)
      const text = (name: string) => {
        const value = at(answer.body, name)
        return Predicate.isString(value) && value !== "" ? value : undefined
      }
      const userCode = text("user_code")
      const deviceCode = text("device_code")
      const verificationUri = text("verification_uri") ?? text("verification_url")
      if (userCode === undefined || deviceCode === undefined || verificationUri === undefined) {
        return yield* new TokenEndpointError({
          reason: "unreadable",
          status: answer.status,
          detail: `no device code in the answer, at ${answer.from}`
        })
      }
      return {
        userCode,
        deviceCode: Redacted.make(deviceCode),
        verificationUri,
        verificationUriComplete: text("verification_uri_complete"),
        expiresAt: answer.now + Duration.toMillis(seconds("expires_in")(answer.body)?.expiresIn ?? "15 minutes"),
        interval: seconds("interval")(answer.body)?.expiresIn ?? Duration.seconds(5)
      }
    })

    const wait = Effect.fnUntraced(function* (code: DeviceCode) {
      let interval = Duration.toMillis(code.interval)
      while ((yield* Clock.currentTimeMillis) + interval < code.expiresAt) {
        yield* Effect.sleep(interval)
        const asked = yield* Effect.either(inTime(client.grant(DEVICE_CODE, { device_code: code.deviceCode })))
        if (asked._tag === "Right") return asked.right
        const { left: error } = asked
        if (error._tag !== "TokenEndpointError") return yield* error
        if (error.code !== "authorization_pending") interval = Math.max(interval + SLOWER, error.retryAfter ?? 0)
      }
      return yield* new GrantRejected({ code: "expired_token" })
    })

    return { ...source, start, wait }
  })

const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
const SLOWER = 5000
