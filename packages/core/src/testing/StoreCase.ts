import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import type { Failed, LeaseRequest, Snapshot, StoredRow, TokenStoreBackend } from "../store/TokenStoreBackend.js"

/** A sentence that a store keeps, and the test of it. */
export interface StoreCase {
  readonly title: string
  /** Fails where the store does not keep the sentence. It needs a store of its own: nobody else may claim what is due. */
  readonly test: (store: StoreUnderTest) => Effect.Effect<void, unknown>
}

/** What the contract is tried on. */
export interface StoreUnderTest {
  readonly backend: TokenStoreBackend
  /** The same rows through another connection, or from another process. Left out, `backend` stands in. */
  readonly other?: TokenStoreBackend | undefined
  /**
   * Sets the store's clock back by so many milliseconds, or ahead where there are less than none; or moves every instant
   * in its rows the other way, which amounts to the same. Left out, the cases about it pass.
   */
  readonly setBack?: ((millis: number) => Effect.Effect<void, unknown>) | undefined
}

/** What a store does otherwise than the contract says. */
export class ContractBroken extends Data.TaggedError("ContractBroken")<{ readonly message: string }> {}

/** Fails with `what` unless `actual` is the same as `expected`, fields in any order. */
export const same = (what: string, actual: unknown, expected: unknown): Effect.Effect<void, ContractBroken> => {
  const [is, wanted] = [plain(actual), plain(expected)]
  return is === wanted
    ? Effect.void
    : new ContractBroken({ message: `${what}: expected ${clip(wanted)}, but it is ${clip(is)}` })
}

/** Fails with `what` unless `condition` holds. */
export const holds = (what: string, condition: boolean): Effect.Effect<void, ContractBroken> =>
  condition ? Effect.void : new ContractBroken({ message: what })

/** A key that no other test has. */
export const newKey = (name: string): Effect.Effect<string> =>
  Effect.map(Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER), (random) => `${name} ${random.toString(36)}`)

/** The row that a snapshot must have. */
export const rowOf = ({ row }: Snapshot): Effect.Effect<StoredRow, ContractBroken> =>
  row === undefined ? new ContractBroken({ message: "there is no row" }) : Effect.succeed(row)

/** The row now kept under `key`. */
export const load = (backend: TokenStoreBackend, key: string) => Effect.flatMap(backend.load(key), rowOf)

/** Long enough that nothing runs out during a test. */
export const LONG = 3_600_000

/** Longer than a test is ever held up between two statements. */
export const MINUTE = 60_000

/** A request for a lease of a row nobody has tokens for. */
export const asks = (owner: string, more: Partial<LeaseRequest> = {}): LeaseRequest => ({
  owner,
  known: undefined,
  lasts: LONG,
  presents: false,
  force: false,
  ...more
})

/** A failure that may be tried again at once. */
export const failed = (owner: string, generation: number, more: Partial<Failed<string>> = {}): Failed<string> => ({
  owner,
  generation,
  failure: '{"by":"refresh","tag":"TokenEndpointError"}',
  inDoubt: false,
  dead: false,
  retryIn: 0,
  ...more
})

/** Keeps `payload` under a new key, leased by `owner` with its refresh token presented; gives key and generation. */
export const leased = Effect.fnUntraced(function* (
  backend: TokenStoreBackend,
  name: string,
  owner: string,
  lasts = LONG
) {
  const { generation, key } = yield* kept(backend, name)
  const snapshot = yield* backend.lease(key, asks(owner, { known: generation, presents: true, lasts }))
  const row = yield* rowOf(snapshot)
  yield* same("the owner of a lease that nobody had", row.leaseOwner, owner)
  return { key, generation }
})

/** Keeps a payload under a new key; gives key and generation. */
export const kept = Effect.fnUntraced(function* (backend: TokenStoreBackend, name: string, dueIn?: number) {
  const key = yield* newKey(name)
  const { floor = 0, now } = yield* backend.load(key)
  const generation = Math.max(now, floor) + 1
  yield* same(
    "put where there was nothing",
    yield* backend.put(key, { expected: undefined, generation, payload: "{}", dueIn }),
    true
  )
  return { key, generation }
})

const plain = (value: unknown) =>
  JSON.stringify(value, (_, at: unknown) =>
    Predicate.isRecord(at) ? Object.fromEntries(Object.entries(at).sort(([a], [b]) => (a < b ? -1 : 1))) : at
  )

const clip = (json: string | undefined) => (json === undefined || json.length <= 300 ? json : `${json.slice(0, 300)}…`)
