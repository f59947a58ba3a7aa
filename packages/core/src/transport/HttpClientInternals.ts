import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Option from "effect/Option"

/** `client` without the part that prepares requests: run for each attempt, it would add to what it has made before. */
export const prepared = (client: HttpClient.HttpClient): HttpClient.HttpClient => {
  const bare: HttpClient.HttpClient = Object.assign(Object.create(client), { preprocess: Effect.succeed })
  return HttpClient.transformResponse(bare, identity)
}

/** The options for `fetch` that a client's own layer was given. Looks into the client without sending anything. */
export const initOf = (client: HttpClient.HttpClient): Effect.Effect<RequestInit> =>
  HttpClient.mapRequestEffect(client, () =>
    Effect.flatMap(Effect.serviceOption(FetchHttpClient.RequestInit), Effect.fail)
  )
    .execute(HttpClientRequest.get(""))
    .pipe(
      Effect.flip,
      Effect.map((found) => (Option.isOption(found) ? Option.getOrElse(found, () => ({})) : {})),
      Effect.orElseSucceed(() => ({}))
    )
