// Replaces a Redux-Observable epic that let one of many streams refresh while the others waited for its action, and
// dispatched a logout when that failed. `http` takes the place of `ajax` and of the waiting; the logout is an event. The
// refresh does not go through `http`, so its own 401 cannot start another one.
import { FetchHttpClient } from "@effect/platform"
import { OAuth2, TokenEvent, TokenHttpClient, TokenProvider, TokenSet, type TokenSetOptions } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Config, Effect, Layer, Stream } from "effect"

export type Action =
  | { readonly type: "LOADED"; readonly path: string; readonly status: number }
  | { readonly type: "FAILED"; readonly path: string; readonly error: string }
  | { readonly type: "LOGGED_OUT"; readonly reason: string }

const Source = Effect.flatMap(Config.string("TOKEN_URL"), (tokenEndpoint) =>
  OAuth2.refreshToken({
    tokenEndpoint,
    clientId: "native",
    clientAuthentication: "none",
    errors: { "401": "refused" } // a bare 401 of the token endpoint, too, says that the session is over
  })
)

export const Session = TokenProvider.layer({ key: "session", source: Source }).pipe(
  Layer.provideMerge(Layer.merge(MemoryTokenStore.layer, FetchHttpClient.layer))
)

// The login page's callback.
export const loggedIn = (tokens: TokenSetOptions) =>
  Effect.flatMap(TokenProvider, (session) => session.put(TokenSet.make(tokens)))

// As many requests at a time as there are paths, and one refresh for all that find the token ended.
export const loadEpic = (paths: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const http = yield* TokenHttpClient.make({ baseUrl: yield* Config.string("API_URL") })
    const load = (path: string) =>
      http.get(path).pipe(
        Effect.map(({ status }): Action => ({ type: "LOADED", path, status })),
        Effect.catchAll((error) => Effect.succeed<Action>({ type: "FAILED", path, error: error._tag }))
      )
    return Stream.mapEffect(Stream.fromIterable(paths), load, { concurrency: "unbounded" })
  }).pipe(Stream.unwrap)

// A grant that was refused for good logs out, once. A token endpoint that is down does not.
export const logoutEpic = Effect.map(TokenProvider, ({ events, forget }) =>
  events.pipe(
    Stream.filter(TokenEvent.$is("ReauthorizationNeeded")),
    Stream.mapEffect(({ reason }) => Effect.as(Effect.ignore(forget), { type: "LOGGED_OUT", reason } satisfies Action))
  )
).pipe(Stream.unwrap)

// `epicMiddleware.run(rootEpic)`, from the login until its fiber is interrupted.
export const run = (tokens: TokenSetOptions, paths: ReadonlyArray<string>, dispatch: (action: Action) => void) =>
  Stream.merge(logoutEpic, Stream.unwrap(Effect.as(loggedIn(tokens), loadEpic(paths)))).pipe(
    Stream.runForEach((action) => Effect.sync(() => dispatch(action))),
    Effect.provide(Session)
  )
