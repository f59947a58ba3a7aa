// store/: What is kept of a key: rows, leases, encryption.
// May import model/.
// Must not know of how a token is asked for.
// Longer than 200 lines: the service, and the one place that checks, seals and bounds what a backend does.

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Instant, instant, wallOf } from "../model/Instant.js"
import { TokenStoreError } from "../model/TokenError.js"
import { storeErrors } from "../model/TokenMetrics.js"
import { TokenSet } from "../model/TokenSet.js"
import { within } from "../model/Within.js"
import { ascii, decodeFailure, encodeFailure, type Failure } from "./Failure.js"
import { checkedRow, checkedTokens, keptWait, lasting } from "./StoredNumbers.js"
import type { TokenCipher } from "./TokenCipher.js"
import type {
  Committed,
  DueClaim,
  Failed,
  LeaseRequest,
  Listed,
  ListRequest,
  RestoreRequest,
  Snapshot,
  TokenChange,
  TokenRecord,
  TokenStoreBackend
} from "./TokenStoreBackend.js"

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
    /** Does `effect` when the store ends, and what it keeps with it: one for each key, the last. Absent where rows outlive it. */
    readonly atEnd?: ((key: string, effect: Effect.Effect<void>) => void) | undefined
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

    const open = Effect.fnUntraced(function* (key: string, { now, row: given }: Snapshot, asked: Instant) {
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
        tokens = decoded && checkedTokens(decoded, row, now)?.shifted(wallOf(asked, yield* instant) - now)
        if (tokens === undefined) {
          const detail = "it is encrypted, and encryption is off"
          return yield* SEALED.test(plain)
            ? new TokenStoreError({ reason: "undecryptable", key, detail })
            : new TokenStoreError({ reason: "corrupt", key })
        }
      }
      const at = (time: number | undefined) => (time === undefined ? undefined : time - ahead)
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
      Effect.flatMap(instant, (asked) => Effect.flatMap(ask(key, effect), (snapshot) => open(key, snapshot, asked)))

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
        const asked = yield* instant
        const { now, rows } = yield* ask(undefined, () => page(request))
        return yield* Effect.forEach(rows, ({ key, row }) =>
          Effect.match(open(key, { now, row }, asked), {
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
const UNKNOWN_WAIT = Duration.toMillis("30 seconds")
const STATEMENT = Duration.seconds(10)
const MOST_TRIES = 10
