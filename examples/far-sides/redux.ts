import { Deferred, Effect, PubSub, type Scope, Stream } from "effect"

/** What `redux` and `redux-observable` do, in small: a store with a reducer, and epics that make actions of actions. */
export interface Store<S, A> {
  readonly dispatch: (action: A) => void
  readonly getState: () => S
  /** Waits until the state is as `is` says. */
  readonly until: (is: (state: S) => boolean) => Effect.Effect<void>
  /** All actions so far. */
  readonly actions: ReadonlyArray<A>
}

/** An epic: it gets a stream of all actions, as often as it asks for one, and gives a stream of new ones. */
export type Epic<A, R = never> = (
  action$: Effect.Effect<Stream.Stream<A>, never, Scope.Scope>
) => Effect.Effect<Stream.Stream<A, never, R>, never, R | Scope.Scope>

/** A store whose epics run until the scope closes. */
export const makeStore = <S, A, R>(
  reducer: (state: S, action: A) => S,
  initial: S,
  epics: ReadonlyArray<Epic<A, R>>
): Effect.Effect<Store<S, A>, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const hub = yield* PubSub.unbounded<A>()
    const actions: Array<A> = []
    const waiting = new Set<() => void>()
    let state = initial
    const dispatch = (action: A): void => {
      state = reducer(state, action)
      actions.push(action)
      hub.unsafeOffer(action)
      for (const look of waiting) look()
    }
    const action$ = Effect.map(PubSub.subscribe(hub), (queue) => Stream.fromQueue(queue))
    for (const epic of epics) {
      const made = yield* epic(action$)
      yield* Effect.forkScoped(Stream.runForEach(made, (action) => Effect.sync(() => dispatch(action))))
    }
    yield* Effect.yieldNow()
    return {
      dispatch,
      actions,
      getState: () => state,
      until: (is) =>
        Effect.gen(function* () {
          const done = yield* Deferred.make<void>()
          const look = () => void (is(state) && Deferred.unsafeDone(done, Effect.void))
          waiting.add(look)
          look()
          yield* Effect.ensuring(
            Deferred.await(done),
            Effect.sync(() => waiting.delete(look))
          )
        })
    }
  })

/** The actions of one type. */
export const ofType =
  <A extends { readonly type: string }, T extends A["type"]>(type: T) =>
  (actions: Stream.Stream<A>): Stream.Stream<Extract<A, { readonly type: T }>> =>
    Stream.filter(actions, (action): action is Extract<A, { readonly type: T }> => action.type === type)

/** Runs a call until an action of one type comes. */
export const takeUntil =
  <A extends { readonly type: string }>(
    action$: Effect.Effect<Stream.Stream<A>, never, Scope.Scope>,
    type: A["type"]
  ) =>
  <R>(call: Effect.Effect<A, never, R>): Stream.Stream<A, never, R> =>
    Stream.interruptWhen(
      Stream.fromEffect(call),
      Effect.scoped(Effect.flatMap(action$, (actions) => Stream.runHead(ofType<A, A["type"]>(type)(actions))))
    )
