// A refresh around each call: it was a Ruby class with procs. `isGood` is its look at an answer, `Authorize` its refresh,
// `policy` its three tries and the call again; `makeVerify` is what is left for the dashboard to call.
import { FetchHttpClient, HttpClient, HttpClientError } from "@effect/platform"
import { type Answer, Expiry, RefreshPolicy, TokenEndpoint, TokenHttpClient, TokenProvider } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Config, Data, Effect, Layer, Option, Schedule, Schema } from "effect"
import { count } from "../far-sides/FarSide.js"
import { credentials, startVerification } from "../far-sides/verification.js"
import { telling } from "./Telling.js"

// The token stands under data.token. It lives for 15 minutes, which no answer says.
const Authorize = Effect.gen(function* () {
  const url = `${yield* Config.string("VERIFICATION_URL")}/authorize_endpoint`
  const clientId = yield* Config.string("CLIENT_ID")
  const clientSecret = yield* Config.redacted("CLIENT_SECRET")
  return yield* TokenEndpoint.make({
    login: { url, headers: { "X-Client-Id": clientId, "X-Client-Secret": clientSecret } },
    fields: { accessToken: "data.token" },
    expiry: Expiry.fixed("15 minutes")
  })
})

const policy = RefreshPolicy.make({
  ahead: RefreshPolicy.beforeExpiry("1 minute"),
  retry: Schedule.recurs(2), // three tries
  unauthorized: Schedule.recurs(1), // and the call once more
  wait: "12 seconds"
})

const Body = Schema.Struct({ status: Schema.optional(Schema.Unknown), subCode: Schema.optional(Schema.Unknown) })
const read = Schema.decodeUnknownOption(Schema.parseJson(Body))

/** Whether an answer is a good one: 2xx, its `status` not "ERROR", its `subCode`, a number or text, not 400 to 520. */
export const isGood = ({ body, status }: Answer): boolean => {
  if (status < 200 || status > 299) return false
  const said = Option.getOrUndefined(read(body()))
  const subCode = Number(said?.subCode ?? 0)
  return said?.status !== "ERROR" && !(subCode >= 400 && subCode <= 520)
}

/** There is no token: each try to get one failed. */
export class FailedToRefresh extends Data.TaggedError("FailedToRefresh")<{ readonly cause: unknown }> {
  override readonly message = "failed to refresh"
}
/** The answer to the second call, with a new token, was not good either. */
export class NotVerified extends Data.TaggedError("NotVerified")<{ readonly status: number; readonly body: string }> {}

// No request takes longer than 12 seconds.
export const limited = HttpClient.HttpClient.pipe(
  Effect.map(
    HttpClient.transform((response, request) => {
      const late = new HttpClientError.RequestError({
        request,
        reason: "Transport",
        description: "12 seconds are over"
      })
      return Effect.timeoutFail(response, { duration: "12 seconds", onTimeout: () => late })
    })
  ),
  Layer.effect(HttpClient.HttpClient)
)
export const Dashboard = Layer.merge(MemoryTokenStore.layer, Layer.provide(limited, FetchHttpClient.layer))

/** What the dashboard calls. Neither a call nor who writes one has to think of a token. */
export const makeVerify = Effect.gen(function* () {
  const baseUrl = yield* Config.string("VERIFICATION_URL")
  const provider = TokenProvider.make({ key: "verification", source: Authorize, policy })
  const http = yield* TokenHttpClient.make({ provider, baseUrl, rejected: (answer) => !isGood(answer) })
  const failed = (cause: unknown) => new FailedToRefresh({ cause })
  return (query: Readonly<Record<string, string>>) =>
    Effect.gen(function* () {
      const response = yield* http.get("/verificationUrl", { urlParams: query })
      const body = yield* response.text
      const { status } = response
      return TokenHttpClient.refusal(response) === undefined ? body : yield* new NotVerified({ status, body })
    }).pipe(Effect.catchTags({ TokenEndpointError: failed, ClientRejected: failed }))
})

export const story = Effect.gen(function* () {
  const far = yield* startVerification
  const { check, end, scene } = yield* telling(far.log, { VERIFICATION_URL: far.url, ...credentials })
  const asked = (status: number) => count(far.log, "POST /authorize_endpoint", status)
  const dashboard = Effect.map(Effect.provide(makeVerify, Dashboard), (verify) => verify({ document: "A-1" }))

  yield* scene("1  Ten calls at once find the token ended: one refresh, and each call is made again.")
  let verify = yield* dashboard
  yield* verify
  far.endTokens()
  const answers = yield* Effect.all(
    Array.from({ length: 10 }, () => verify),
    { concurrency: "unbounded" }
  )
  check("1  calls that were answered well", 10, answers.length)
  check("   tokens for them (the old program: ten)", 1, asked(200) - 1)

  yield* scene("2  Status 200 and subCode 520: a refresh, and the second answer is looked at too. 521 is well.")
  verify = yield* dashboard
  far.say({ status: "VERIFIED", subCode: 521 })
  yield* verify
  far.say({ status: "VERIFIED", subCode: "520" })
  check("2  calls told as not verified", 1, (yield* Effect.isFailure(verify)) ? 1 : 0)
  check("   tokens: the first, and one refresh", 2, asked(200) - 2)

  yield* scene("3  Each refresh fails twice, three times. The old program never counted anew, and gave up for good.")
  verify = yield* dashboard
  far.say({ status: "VERIFIED" })
  for (let time = 1; time <= 3; time++) {
    far.failAuthorize(2)
    far.endTokens()
    yield* verify
  }
  check("3  failures, and a token after each two", 6 + 3, asked(503) + asked(200) - 4)

  yield* scene("4  Three failures: the call fails, and says so.")
  verify = yield* dashboard
  far.failAuthorize(9)
  const { message } = yield* Effect.flip(verify)
  check(`4  tries, before the call said "${message}"`, 3, asked(503) - 6)
  yield* end
}).pipe(Effect.scoped)
