import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { TokenStoreError } from "../model/TokenError.js"
import type { TokenSet } from "../model/TokenSet.js"
import type { Failure } from "./Failure.js"
import type { SealedRows } from "./KeyRotation.js"

/** All that a new kind of store has to provide: each operation one statement, all times the store's own clock. */
export interface TokenStoreBackend {
  /** The row of `key` and the store's clock. */
  readonly load: (key: string) => Effect.Effect<Snapshot, unknown>
  /**
   * Writes the payload as `generation`, due in `dueIn`, where the row is absent (`expected` undefined) or still of
   * generation `expected`. Clears lease, intent, claims, failures, `retryAt`, `failure` and `dead`; sets `refreshedAt`
   * and `scheduledAt`.
   */
  readonly put: (key: string, row: PutRow) => Effect.Effect<boolean, unknown>
  /**
   * Where `known` is undefined and there is no row, makes one without payload whose generation is the store's clock,
   * or one above the highest generation it ever gave the key, whichever is more. Then, where
   * - the row's generation is `known`, or `known` is undefined and it has no payload,
   * - no lease is held, or it ran out, or it is `owner`'s,
   * - `retryAt` is not ahead, or `failedAt` is, by more than a second, or `early` is the number of failures,
   * - and either `force`, or the row is not dead and its intent is nobody's or `owner`'s,
   *
   * gives the lease to `owner` for `lasts`, sets `leasedAt`, and if `presents`, sets intent owner and time unless they
   * are set. In any other case changes nothing, except that a lease whose `leasedAt` is ahead, since the clock was set
   * back, is given anew by its length: `leaseUntil - leasedAt` from now. Gives the row as it is afterwards.
   */
  readonly lease: (key: string, request: LeaseRequest) => Effect.Effect<Snapshot, unknown>
  /** Makes `owner`'s lease last for `lasts` from now, even if it ran out; sets `leasedAt`. */
  readonly renew: (key: string, owner: string, lasts: number) => Effect.Effect<boolean, unknown>
  /**
   * Where the lease is `owner`'s, run out or not, and the generation is still `generation`: the payload as the next
   * generation, due in `dueIn`; clears lease, intent, claims, failures, `retryAt`, `failure` and `dead`; sets
   * `refreshedAt` and `scheduledAt`.
   */
  readonly commit: (key: string, result: Committed<string>) => Effect.Effect<boolean, unknown>
  /**
   * Where the lease is `owner`'s, run out or not, and the generation is still `generation`: ends the lease; clears the
   * claims, and the intent if it is `owner`'s and not `inDoubt`; adds one to failures; sets `failure`, `failedAt`,
   * `scheduledAt`, `dead`; sets `retryAt` and a due time that was set to `retryIn` from now, or the due time to none if
   * dead.
   */
  readonly fail: (key: string, result: Failed<string>) => Effect.Effect<boolean, unknown>
  /** Removes the row. */
  readonly remove: (key: string) => Effect.Effect<boolean, unknown>
  /**
   * The keys that are not dead, with a due time not ahead, or one of which `scheduledAt` is ahead by more than a second;
   * no lease held, or one of which `leasedAt` is ahead; `retryAt` not ahead, or `failedAt` ahead by more than a second.
   * The longest due first, or with `latest` those that no claim came to nothing for yet, the latest due first. In the same statement their due time becomes `lasts` from now, twice as long
   * for each earlier one of `claims`, up to 15 minutes or `lasts`; sets `scheduledAt`, and adds one to `claims`.
   */
  readonly due: (claim: DueClaim) => Effect.Effect<ReadonlyArray<TokenChange>, unknown>
  /** The earliest due time of all rows, and the store's clock; absent where a store cannot tell without looking at each row. */
  readonly firstDue?: Effect.Effect<{ readonly now: number; readonly dueAt: number | undefined }, unknown> | undefined
  /** Some of the rows that `request` asks for, in the order of their keys, and the store's clock; absent where a store cannot list. */
  readonly page?: ((request: ListRequest) => Effect.Effect<StoredPage, unknown>) | undefined
  /** A hint for each put, commit, failure and removal by any process, if the store can tell. */
  readonly changes?: Stream.Stream<TokenChange> | undefined
  /** What changing the encryption keys needs; absent where a store keeps no ciphertexts or cannot list them. */
  readonly sealed?: SealedRows | undefined
}

/** One row on the store's clock, its payload sealed. */
export interface StoredRow extends Kept {
  readonly payload: string | undefined
  readonly failure: string | undefined
}

/** One row as the protocol sees it. */
export interface TokenRecord extends Kept {
  readonly tokens: TokenSet | undefined
  readonly failure: Failure | undefined
}

/** What a row holds beside its payload. Owners are made by the protocol, one for each attempt. */
export interface Kept {
  readonly generation: number
  readonly leaseOwner: string | undefined
  readonly leaseUntil: number | undefined
  /** When the lease was given or last renewed. */
  readonly leasedAt: number | undefined
  /** Whose presentation of the refresh token has no known outcome yet. */
  readonly intentOwner: string | undefined
  readonly intentAt: number | undefined
  /** When a worker should renew it. */
  readonly dueAt: number | undefined
  /** When the due time was set. */
  readonly scheduledAt: number | undefined
  /** How often a worker claimed it since its tokens or its last failure were written. */
  readonly claims: number
  /** How many attempts failed in a row. */
  readonly failures: number
  /** Nobody asks the token endpoint before. */
  readonly retryAt: number | undefined
  /** Whether the grant was refused for good. */
  readonly dead: boolean
  readonly refreshedAt: number | undefined
  readonly failedAt: number | undefined
}

/** A row, if there is one, and the store's clock when it was read. */
export interface Snapshot {
  readonly now: number
  readonly row: StoredRow | undefined
  /** Where there is no row: a generation that no removed row of this key was above, if the store remembers one. */
  readonly floor?: number | undefined
}

export interface PutRow {
  readonly expected: number | undefined
  readonly generation: number
  readonly payload: string
  readonly dueIn: number | undefined
}

export interface RestoreRequest {
  readonly tokens: TokenSet
  readonly generation: number
  readonly over: number
  readonly dueIn: number | undefined
}

export interface LeaseRequest {
  readonly owner: string
  /** The generation that a newer one is wanted of; undefined where nothing is known to be kept. */
  readonly known: number | undefined
  readonly lasts: number
  /** Whether a refresh token is about to be presented. */
  readonly presents: boolean
  /** Whether to take it although the row is dead or in doubt. */
  readonly force: boolean
  /** The failures in a row whose back-off need not be waited for; undefined where each has to be. */
  readonly early?: number | undefined
}

export interface Committed<Tokens> {
  readonly owner: string
  readonly generation: number
  readonly tokens: Tokens
  /** Milliseconds until a worker should renew it; undefined for never. */
  readonly dueIn: number | undefined
}

export interface Failed<F> {
  readonly owner: string
  readonly generation: number
  readonly failure: F
  readonly inDoubt: boolean
  readonly dead: boolean
  readonly retryIn: number
}

export interface DueClaim {
  readonly limit: number
  readonly lasts: number
  /** Whether to take only what was not claimed before since it came due, the latest due first. */
  readonly latest?: boolean | undefined
}

export interface ListRequest {
  /** The key that the rows come after. */
  readonly after: string | undefined
  readonly limit: number
  /** What the keys begin with. */
  readonly prefix?: string | undefined
  readonly state?: RowState | undefined
}

/**
 * What a row says of its connection without its payload. `dead`: it is dead or has no payload; of the others `failing`
 * those with failures or an intent, and `sound` those without failures.
 */
export type RowState = "dead" | "failing" | "sound"

/** Rows with their keys. */
export interface StoredPage {
  readonly now: number
  readonly rows: ReadonlyArray<{ readonly key: string; readonly row: StoredRow }>
}

/** What is kept under a key, or why it cannot be read. */
export interface Listed {
  readonly key: string
  readonly generation: number
  readonly record: TokenRecord | undefined
  readonly error: TokenStoreError | undefined
}

/** A key and the generation now kept under it; zero where it was removed. */
export interface TokenChange {
  readonly key: string
  readonly generation: number
}
