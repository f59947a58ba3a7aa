// Many streams, one refresh, one logout: it was Redux-Observable epics in a React app. `http` takes the place of `ajax` and of
// all that waited for a refresh. The refresh does not go through it: its own 401 starts no other one, and nothing counts.
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { TokenEndpoint, TokenEvent, TokenHttpClient, TokenProvider, TokenSet } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Config, Effect, Layer, Schema, Stream } from "effect"
import { count } from "../far-sides/FarSide.js"
import { type Epic, makeStore, ofType, takeUntil } from "../far-sides/redux.js"
import { startShop } from "../far-sides/shop.js"
import { telling } from "./Telling.js"

export type Action =
  | { readonly type: "LOGIN"; readonly user: string; readonly password: string }
  | { readonly type: "LOGGED_IN"; readonly user: string }
  | ({ readonly item: string } & ({ readonly type: "LOAD" } | { readonly type: "LOADED" }))
  | { readonly type: "FAILED"; readonly item: string; readonly error: string }
  | { readonly type: "LOGGED_OUT"; readonly message: string }

const initial = { user: "", message: "", LOADED: 0, FAILED: 0 }
const reducer = (state: typeof initial, action: Action): typeof initial => {
  switch (action.type) {
    case "LOGGED_IN":
      return { ...initial, user: action.user }
    case "LOADED":
    case "FAILED":
      return { ...state, [action.type]: state[action.type] + 1 }
    case "LOGGED_OUT":
      return { ...initial, message: action.message }
    default:
      return state
  }
}

const Source = Effect.flatMap(Config.string("SHOP_URL"), (url) =>
  TokenEndpoint.make({
    refresh: { url: `${url}/refresh`, json: { refreshToken: TokenEndpoint.refreshToken } },
    fields: { accessToken: "accessToken" },
    errors: { "401": "refused" } // so it says that the session is over
  })
)
const Session = TokenProvider.layer({ key: "session", source: Source })
export const App = Layer.provideMerge(Session, Layer.merge(MemoryTokenStore.layer, FetchHttpClient.layer))
type App = TokenProvider | HttpClient.HttpClient
const Tokens = Schema.Struct({ accessToken: Schema.String, refreshToken: Schema.String })

const loginEpic: Epic<Action, App> = Effect.map((actions) =>
  Stream.mapEffect(ofType("LOGIN")(actions), ({ password, user }) =>
    Effect.gen(function* () {
      const request = HttpClientRequest.post(`${yield* Config.string("SHOP_URL")}/login`)
      const response = yield* HttpClient.execute(HttpClientRequest.bodyUnsafeJson(request, { user, password }))
      const tokens = yield* HttpClientResponse.schemaBodyJson(Tokens)(response)
      yield* Effect.flatMap(TokenProvider, ({ put }) => put(TokenSet.make(tokens)))
      return { type: "LOGGED_IN", user } satisfies Action
    }).pipe(Effect.orElseSucceed((): Action => ({ type: "FAILED", item: "login", error: "refused" })))
  )
)

// Each stream makes its call again by itself; a logout stops those that are under way.
const loadEpic: Epic<Action, App> = (action$) =>
  Effect.gen(function* () {
    const http = yield* TokenHttpClient.make({ baseUrl: yield* Config.string("SHOP_URL") })
    const load = (item: string) =>
      Effect.match(http.get("/items", { urlParams: { item } }), {
        onFailure: ({ _tag }): Action => ({ type: "FAILED", item, error: _tag }),
        onSuccess: (): Action => ({ type: "LOADED", item })
      })
    return Stream.flatMap(ofType("LOAD")(yield* action$), ({ item }) => takeUntil(action$, "LOGGED_OUT")(load(item)), {
      concurrency: "unbounded"
    })
  }).pipe(Effect.orDie)

// The person has to log in again: a message, and a logout.
const logoutEpic: Epic<Action, App> = () =>
  Effect.map(TokenProvider, ({ events, forget }) =>
    Stream.mapEffect(Stream.filter(events, TokenEvent.$is("ReauthorizationNeeded")), () =>
      Effect.as(Effect.ignore(forget), { type: "LOGGED_OUT", message: "Please log in again." } satisfies Action)
    )
  )

export const makeShopStore = makeStore(reducer, initial, [loginEpic, loadEpic, logoutEpic])

export const story = Effect.gen(function* () {
  const far = yield* startShop
  const { check, end, scene } = yield* telling(far.log, { SHOP_URL: far.url })
  const { actions, dispatch, until } = yield* Effect.provide(makeShopStore, yield* Layer.build(App))
  const loadAll = () => {
    for (let item = 1; item <= 20; item++) dispatch({ type: "LOAD", item: `${item}` })
  }

  yield* scene("1  A login; the token ends; 20 streams find out at once. One refresh, and each stream goes on.")
  dispatch({ type: "LOGIN", user: "alice", password: "…" })
  yield* until(({ user }) => user === "alice")
  far.endTokens()
  loadAll()
  yield* until(({ LOADED }) => LOADED === 20)
  check("1  refreshes for 20 streams", 1, count(far.log, "POST /refresh"))
  check("   streams that loaded", 20, count(far.log, "GET /items", 200))

  yield* scene("2  The refresh fails for a moment: that is no reason to log out.")
  far.endTokens()
  far.refuseRefresh(503, 1)
  loadAll()
  yield* until(({ LOADED }) => LOADED === 40)
  check("2  refreshes, the one that failed included", 2, count(far.log, "POST /refresh") - 1)
  check("   streams that loaded", 20, count(far.log, "GET /items", 200) - 20)

  yield* scene("3  The refresh itself answers 401, as ever from then on: no loop, a message, one logout.")
  far.endTokens()
  far.refuseRefresh(401, 99)
  dispatch({ type: "LOAD", item: "slow" })
  loadAll()
  yield* until(({ message }) => message !== "")
  loadAll()
  yield* until(({ FAILED }) => FAILED >= 20)
  check("3  refreshes that answered 401", 1, count(far.log, "POST /refresh", 401))
  const slow = actions.filter((action) => "item" in action && action.item === "slow")
  check("   slow streams that the logout stopped", 1, slow.length)
  check("   logouts", 1, actions.filter(({ type }) => type === "LOGGED_OUT").length)
  yield* end
}).pipe(Effect.scoped)
