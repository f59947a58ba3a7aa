// store/: What is kept of a key: rows, leases, encryption.
// May import model/.
// Must not know of how a token is asked for.

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TokenStoreError } from "../model/TokenError.js"
import { storeErrors } from "../model/TokenMetrics.js"
import { TokenSet } from "../model/TokenSet.js"
import { within } from "../model/Within.js"
import type { SealedRows } from "./KeyRotation.js"
import { checkedRow, checkedTokens, keptWait, lasting } from "./StoredNumbers.js"
import type { TokenCipher } from "./TokenCipher.js"

/**
 * Keeps the newest tokens under each key, with the lease that decides who may refresh them. Instants are epoch
 * milliseconds of the local clock, translated from the store's own; durations are milliseconds.
 */
export class TokenStore extends Context.Tag("@evertoken/core/TokenStore")<
  TokenStore,
  {
    /** What is kept under `key`. */
    readonly load: (key: string) => Effect.Effect<Option.Option<TokenRecord>, TokenStoreError>
    /** Starts a new generation with tokens got elsewhere; ends any lease, doubt, back-off and death. Gives the generation. */
    readonly put: (key: string, tokens: TokenSet, dueIn: number | undefined) => Effect.Effect<number, TokenStoreError>
    /**
     * Puts tokens that were kept as `generation` over a row of the older generation `over`. Gives their new generation,
     * above both; none, with nothing changed, where the row is not of generation `over` any more.
     */
    readonly restore: (key: string, request: RestoreRequest) => Effect.Effect<Option.Option<number>, TokenStoreError>
    /** Takes the lease if it is free and nothing has changed since `known`; gives the row as it is afterwards either way. */
    readonly lease: (key: string, request: LeaseRequest) => Effect.Effect<Option.Option<TokenRecord>, TokenStoreError>
    /** Makes the lease last for `lasts` from now; false where another has it. */
    readonly renew: (key: string, owner: string, lasts: number) => Effect.Effect<boolean, TokenStoreError>
    /** Saves `tokens` as the next generation and ends the lease; false, with nothing changed, where another took it over. */
    readonly commit: (key: string, result: Committed<TokenSet>) => Effect.Effect<boolean, TokenStoreError>
    /** Notes a failure and ends the lease; false, with nothing changed, where another took it over. */
    readonly fail: (key: string, result: Failed<Failure>) => Effect.Effect<boolean, TokenStoreError>
    /** Removes the row, whoever has the lease; false where there was none. */
    readonly remove: (key: string) => Effect.Effect<boolean, TokenStoreError>
    /** Claims the next keys to renew; nobody else is given them for `lasts`, or longer where earlier claims came to nothing. */
    readonly due: (claim: DueClaim) => Effect.Effect<ReadonlyArray<TokenChange>, TokenStoreError>
    /** When the first row is due, whether or not that time has come; none where no row is, or the store cannot tell. */
    readonly firstDue: Effect.Effect<Option.Option<number>, TokenStoreError>
    /** Some of what is kept that `request` asks for, in the order of the keys; fails where the store cannot list. */
    readonly page: (request: ListRequest) => Effect.Effect<ReadonlyArray<Listed>, TokenStoreError>
    /** Hints that rows have changed, whoever changed them. It may miss some. */
    readonly changes: Stream.Stream<TokenChange>
  }
>() {
  /**
   * Builds the store from single-statement operations over one encoded row; encodes, seals, validates, and bounds each in time.
   *
   * @example
   * ```ts
   * // A store that tells how often it is asked, over the one in memory.
   * const backend = yield* MemoryTokenStore.backend()
   * let loads = 0
   * const load = (key: string) => Effect.zipRight(Effect.sync(() => loads++), backend.load(key))
   * const store = TokenStore.make({ ...backend, load })
   * ```
   */
  static readonly make = (backend: TokenStoreBackend, options: TokenStoreOptions = {}): TokenStore["Type"] => {
    const { cipher } = options
    let ahead = 0
    let newest = 0

    /** Whatever becomes of a statement, a cipher or its key service is an error of the store, and comes in time. */
    const bounded = <A>(key: string | undefined, effect: () => Effect.Effect<A, unknown>) =>
      Effect.suspend(effect).pipe(
        within(STATEMENT, () => new Cause.TimeoutException()),
        Effect.catchAllCause((cause) => Effect.fail(TokenStoreError.of(Cause.squash(cause), key)))
      )

    const ask = <A>(
      key: string | undefined,
      effect: () => Effect.Effect<A, unknown>
    ): Effect.Effect<A, TokenStoreError> =>
      key === undefined || isKey(key)
        ? Effect.tapError(bounded(key, effect), counted)
        : Effect.fail(new TokenStoreError({ reason: "key", key }))

    const seal = (key: string, generation: number, tokens: TokenSet) =>
      bounded(key, () => {
        const plain = ascii(TokenSet.encode(tokens.shifted(ahead)))
        return cipher === undefined ? Effect.succeed(plain) : cipher.seal(plain, { key, generation })
      })

    const open = Effect.fnUntraced(function* (key: string, { now, row: given }: Snapshot, askedAt: number) {
      if (!Number.isFinite(now)) return yield* new TokenStoreError({ reason: "corrupt", key })
      ahead = now - (yield* Clock.currentTimeMillis)
      if (given === undefined) return Option.none<TokenRecord>()
      const row = checkedRow(given)
      if (row === undefined) return yield* new TokenStoreError({ reason: "corrupt", key })
      newest = Math.max(newest, row.generation)
      const { payload } = row
      let tokens: TokenSet | undefined
      if (payload !== undefined) {
        const plain =
          cipher === undefined
            ? payload
            : yield* bounded(key, () => cipher.open(payload, { key, generation: row.generation }))
        // However long the answer was under way, they do not seem to end later than they do.
        const decoded = Option.getOrUndefined(TokenSet.decode(plain))
        tokens = decoded && checkedTokens(decoded, row, now)?.shifted(askedAt - now)
        if (tokens === undefined) {
          const detail = "it is encrypted, and encryption is off"
          return yield* SEALED.test(plain)
            ? new TokenStoreError({ reason: "undecryptable", key, detail })
            : new TokenStoreError({ reason: "corrupt", key })
        }
      }
      const at = (instant: number | undefined) => (instant === undefined ? undefined : instant - ahead)
      return Option.some<TokenRecord>({
        ...row,
        tokens,
        leaseUntil: at(row.leaseUntil),
        leasedAt: at(row.leasedAt),
        intentAt: at(row.intentAt),
        dueAt: at(row.dueAt),
        scheduledAt: at(row.scheduledAt),
        retryAt: at(row.retryAt),
        refreshedAt: at(row.refreshedAt),
        failedAt: at(row.failedAt),
        failure: row.failure === undefined ? undefined : Option.getOrUndefined(decodeFailure(row.failure))
      })
    })

    const read = (key: string, effect: () => Effect.Effect<Snapshot, unknown>) =>
      Effect.flatMap(Clock.currentTimeMillis, (askedAt) =>
        Effect.flatMap(ask(key, effect), (snapshot) => open(key, snapshot, askedAt))
      )

    return {
      load: (key) => read(key, () => backend.load(key)),
      put: Effect.fnUntraced(function* (key, tokens, wait) {
        const dueIn = keptWait(wait)
        for (let tries = 0; tries < MOST_TRIES; tries++) {
          const { floor = 0, now, row } = yield* ask(key, () => backend.load(key))
          ahead = now - (yield* Clock.currentTimeMillis)
          const generation = Math.max(row?.generation ?? 0, now, newest, floor) + 1
          const payload = yield* seal(key, generation, tokens)
          const done = yield* ask(key, () =>
            backend.put(key, { expected: row?.generation, generation, payload, dueIn })
          )
          if (done) {
            newest = generation
            return generation
          }
        }
        return yield* new TokenStoreError({ reason: "unreachable", key, detail: "the row changes all the time" })
      }),
      restore: Effect.fnUntraced(function* (key, { dueIn, generation: kept, over, tokens }) {
        const generation = Math.max(kept, over) + 1
        const payload = yield* seal(key, generation, tokens)
        const done = yield* ask(key, () =>
          backend.put(key, { expected: over, generation, payload, dueIn: keptWait(dueIn) })
        )
        return done ? Option.some(generation) : Option.none()
      }),
      lease: (key, request) => lasting(request.lasts, key, () => read(key, () => backend.lease(key, request))),
      renew: (key, owner, lasts) => lasting(lasts, key, () => ask(key, () => backend.renew(key, owner, lasts))),
      commit: Effect.fnUntraced(function* (key, { generation, owner, tokens, dueIn }) {
        const payload = yield* seal(key, generation + 1, tokens)
        return yield* ask(key, () =>
          backend.commit(key, { generation, owner, tokens: payload, dueIn: keptWait(dueIn) })
        )
      }),
      fail: (key, result) => {
        const retryIn = keptWait(result.retryIn) ?? UNKNOWN_WAIT
        return ask(key, () => backend.fail(key, { ...result, retryIn, failure: encodeFailure(result.failure) }))
      },
      remove: (key) => ask(key, () => backend.remove(key)),
      due: (claim) => lasting(claim.lasts, undefined, () => ask(undefined, () => backend.due(claim))),
      firstDue: Effect.gen(function* () {
        const { firstDue } = backend
        if (firstDue === undefined) return Option.none()
        const { dueAt, now } = yield* ask(undefined, () => firstDue)
        const local = yield* Clock.currentTimeMillis
        return Option.map(Option.fromNullable(dueAt), (at) => at - now + local)
      }),
      page: Effect.fnUntraced(function* (request) {
        const { page } = backend
        if (page === undefined) {
          return yield* new TokenStoreError({ reason: "unreachable", detail: "this store cannot list its keys" })
        }
        const askedAt = yield* Clock.currentTimeMillis
        const { now, rows } = yield* ask(undefined, () => page(request))
        return yield* Effect.forEach(rows, ({ key, row }) =>
          Effect.match(open(key, { now, row }, askedAt), {
            onSuccess: (opened): Listed => ({
              ...{ key, generation: row.generation },
              ...{ record: Option.getOrUndefined(opened), error: undefined }
            }),
            onFailure: (error): Listed => ({ key, generation: row.generation, record: undefined, error })
          })
        )
      }),
      changes: backend.changes ?? SILENCE
    }
  }
}

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
   * - `retryAt` is not ahead, or `failedAt` is, by more than a second,
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

/** How the last attempt failed, kept with the row so that every process can say so. Holds no secret. */
export const Failure = Schema.Struct({
  /** Which of the source's effects failed. */
  by: Schema.Literal("refresh", "login"),
  tag: Schema.Literal("TokenEndpointError", "TokenSourceDefect", "ClientRejected", "GrantRejected"),
  reason: Schema.optional(Schema.String),
  code: Schema.optional(Schema.String),
  status: Schema.optional(Schema.Number),
  detail: Schema.optional(Schema.String),
  claims: Schema.optional(Schema.String)
})
export type Failure = typeof Failure.Type

export interface TokenStoreOptions {
  /** Seals each payload, bound to its key and generation. */
  readonly cipher?: TokenCipher["Type"] | undefined
}

/**
 * Whether `key` can name a connection in every store: well-formed Unicode without the character U+0000, not empty, and
 * at most 2048 bytes of UTF-8.
 */
export const isKey = (key: string): boolean =>
  key !== "" && !UNKEPT.test(key) && (key.length <= 682 || new TextEncoder().encode(key).length <= 2048)

const counted = ({ reason }: TokenStoreError) =>
  Effect.when(Metric.increment(storeErrors), () => reason === "unreachable")

/** No hints, ever. `Stream.never` has a timer, which keeps a process alive. */
const SILENCE: Stream.Stream<never> = Stream.fromEffect(Effect.async<never>(() => {}))

/** A ciphertext as `TokenCipher` writes it (RFC 7516 section 7.1). */
const SEALED = /^eyJ[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+$/
const UNKEPT = /\0|\p{Surrogate}/u
const FailureJson = Schema.parseJson(Failure)
const decodeFailure = Schema.decodeUnknownOption(FailureJson)
const writeFailure = Schema.encodeOption(FailureJson)

/** A failure is always noted, whatever its source put into it: without a note it would pass for an unknown outcome. */
const encodeFailure = (failure: Failure): string => {
  const { by, status, tag } = failure
  const short = (text: string | undefined) => (typeof text === "string" ? text.slice(0, MOST_TEXT) : undefined)
  const told = { reason: short(failure.reason), code: short(failure.code), detail: short(failure.detail) }
  // Half of it would be no JSON.
  const claims = (failure.claims?.length ?? 0) > MOST_CLAIMS ? undefined : failure.claims
  const noted = writeFailure({ by, tag, ...told, claims, status: Number.isFinite(status) ? status : undefined })
  return ascii(Option.getOrElse(noted, () => JSON.stringify({ by, tag })))
}

/** The same JSON in ASCII, which fits a column of any character set. */
const ascii = (json: string): string =>
  json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

const MOST_TEXT = 1_000
const MOST_CLAIMS = 4_096
const UNKNOWN_WAIT = Duration.toMillis("30 seconds")
const STATEMENT = Duration.seconds(10)
const MOST_TRIES = 10
