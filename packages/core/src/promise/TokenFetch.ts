import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { visible } from "../http/AuthorizedRequest.js"
import { isDoubtful } from "../http/RejectionCheck.js"
import type { RepairOptions } from "../http/RepairOptions.js"
import type { Begun, Repair } from "../http/UnauthorizedRetry.js"
import type { AccessToken } from "../model/AccessToken.js"
import { type DurationOption, duration } from "../model/Options.js"
import type { TokenProvider } from "../provider/TokenProvider.js"
import { answered, send, type WebCall, webCall, webResponse } from "./FetchAdapter.js"
import type { TokenFetchInit } from "./TokenClient.js"

/** What a `fetch` with tokens is made of. */
export interface FetchParts {
  readonly fetch: typeof globalThis.fetch
  readonly repair: Repair<unknown>
  readonly rejected: RepairOptions["rejected"]
  readonly provider: TokenProvider["Type"]
  /** The token that needs no waiting, if any, where it holds for so many milliseconds. */
  readonly peek: (millis: number) => AccessToken | undefined
  readonly run: <A, E>(effect: Effect.Effect<A, E>, signal?: AbortSignal | null) => Promise<A>
}

/** `fetch` with tokens. */
export const tokenFetch = ({ fetch, peek, provider, rejected, repair, run }: FetchParts) => {
  const whole = (call: WebCall, minValidity: DurationOption | undefined, begun?: Begun): Promise<Response> => {
    const { init, request } = call
    const get =
      minValidity === undefined ? undefined : Effect.catchTag(provider.getFor(minValidity), "InvalidOption", Effect.die)
    const response = repair
      .send(request, { get, begun })
      .pipe(
        Effect.provideService(FetchHttpClient.RequestInit, init),
        Effect.mapBoth({ onSuccess: webResponse, onFailure: thrown })
      )
    return run(response, init.signal)
  }

  return async (input: RequestInfo | URL, { minValidity, ...given }: TokenFetchInit = {}): Promise<Response> => {
    const problem = duration(minValidity, "minValidity")
    if (problem !== undefined) throw problem
    const call = webCall(input, given)
    const { init, request } = call
    if (init.signal?.aborted === true) throw init.signal.reason
    const token = peek(minValidity === undefined ? 0 : Duration.toMillis(minValidity))
    const carrying = token && repair.carrying(request, token)
    if (token === undefined || carrying === undefined) return whole(call, minValidity)
    // A token is at hand: the first attempt needs no fiber. Whatever its answer asks for is done by the whole of it.
    const state = { follows: false }
    const { request: placed, sent } = carrying
    const web = await send(fetch, sent, visible(init, repair.header, state))
    const redirects = state.follows && web.status >= 300 && web.status < 400
    return isDoubtful(web, rejected) || redirects
      ? whole(call, minValidity, { token, request: placed, response: answered(sent, web), follows: state.follows })
      : web
  }
}

/** What `fetch` threw, or would throw: a `TypeError` for whatever goes wrong on the way. */
const thrown = (error: unknown): unknown =>
  HttpClientError.isHttpClientError(error) ? (error.cause ?? new TypeError(error.message)) : error
