import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { withoutHeaders } from "./AuthorizedResponse.js"
import { canReplay } from "./ReplayableBody.js"

/** How many redirects `fetch` follows. */
export const MOST_REDIRECTS = 20

/** The request that `response` redirects to, made as `fetch` makes it; undefined where it does not redirect. */
export const redirected = (
  request: HttpClientRequest.HttpClientRequest,
  response: HttpClientResponse.HttpClientResponse,
  count: number
): Effect.Effect<HttpClientRequest.HttpClientRequest | undefined, HttpClientError.RequestError> => {
  const { status } = response
  if (!REDIRECTS.has(status)) return Effect.succeed(undefined)
  const { location } = response.headers
  const url = Option.getOrUndefined(HttpClientRequest.toUrl(request))
  const target =
    location === undefined || url === undefined ? undefined : Option.getOrUndefined(parseUrl(location, url))
  if (url === undefined || target === undefined || !/^https?:$/.test(target.protocol)) return Effect.succeed(undefined)
  const refused = (description: string) =>
    new HttpClientError.RequestError({ request, reason: "Transport", description })
  if (count >= MOST_REDIRECTS) return refused(`redirected more than ${MOST_REDIRECTS} times`)
  const { method } = request
  const gets = status === 303 ? method !== "GET" && method !== "HEAD" : status < 303 && method === "POST"
  if (!gets && !canReplay(request.body)) return refused("redirected with a body that can be sent once only")
  const kept = gets
    ? HttpClientRequest.setMethod(request, "GET").pipe(HttpClientRequest.setBody(HttpBody.empty))
    : request
  const dropped = [...(gets ? ABOUT_BODY : []), ...(target.origin === url.origin ? [] : PERSONAL)]
  // Given as a URL, its query would be taken apart and written anew; so that only empties what the request had.
  const bare = HttpClientRequest.setUrl(withoutHeaders(kept, dropped), new URL(target.origin))
  return Effect.succeed(HttpClientRequest.setUrl(bare, target.href))
}

const parseUrl = Option.liftThrowable((location: string, base: URL) => new URL(location, base))

const REDIRECTS = new Set([301, 302, 303, 307, 308])
const ABOUT_BODY = ["content-encoding", "content-language", "content-location", "content-type", "content-length"]
const PERSONAL = ["authorization", "proxy-authorization", "cookie", "host"]
