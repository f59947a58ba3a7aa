import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { boolean, type Checks, checkOptions, integer, string } from "../model/Options.js"
import { type InvalidOption, TokenStoreError } from "../model/TokenError.js"
import type { TokenCipher } from "./TokenCipher.js"

/** What a store that keeps ciphertexts offers, so that their encryption keys can be changed. */
export interface SealedRows {
  /** Rows with a payload that another encryption key than `except` sealed, in the order of their keys, after `after`. */
  readonly page: (request: PageRequest) => Effect.Effect<ReadonlyArray<SealedRow>, unknown>
  /** Replaces the payload where the generation is still `generation` and the payload still `from`; nothing else changes. */
  readonly reseal: (key: string, change: Resealed) => Effect.Effect<boolean, unknown>
  /** How many payloads each encryption key has sealed. */
  readonly count: Effect.Effect<ReadonlyArray<SealedBy>, unknown>
}

export interface PageRequest {
  readonly after: string | undefined
  readonly except: string
  readonly limit: number
}

export interface SealedRow {
  readonly key: string
  readonly generation: number
  readonly payload: string
}

export interface Resealed {
  readonly generation: number
  readonly from: string
  readonly to: string
}

/** The number of payloads that one encryption key has sealed. */
export interface SealedBy {
  /** None where payloads were written with encryption off. */
  readonly keyId: string | undefined
  readonly rows: number
}

/** How far a rotation is. */
export interface Rotation {
  /** The last key that was looked at: where to resume. */
  readonly after: string | undefined
  /** How many rows there were to look at in the beginning. */
  readonly total: number
  /** Sealed anew, and read back before the old ciphertext went. */
  readonly moved: number
  /** Changed meanwhile by a refresh, a login or a logout, which took care of them. */
  readonly skipped: number
  /** Left as they are, since no key at hand opens them. */
  readonly undecryptable: number
  /** The keys of those in this batch. */
  readonly setAside: ReadonlyArray<string>
}

/** How to rotate. */
export interface RotateOptions {
  /** Resume after this key. */
  readonly after?: string | undefined
  /**
   * How many rows each step takes, 10,000 at most.
   * @default 100
   */
  readonly batch?: number | undefined
  /**
   * Whether payloads written with encryption off are sealed too. Otherwise they count as undecryptable.
   * @default false
   */
  readonly plain?: boolean | undefined
}

/** Changes the encryption keys of what a store keeps. */
export const TokenRotation = {
  /**
   * Seals with the current key what other keys have sealed, batch by batch, beside live refreshes. Stop it at any time
   * and resume it; whatever changes meanwhile wins. Ends with a progress of its own, even where there was nothing to do.
   */
  rotate: (
    rows: SealedRows,
    cipher: TokenCipher["Type"],
    options: RotateOptions = {}
  ): Stream.Stream<Rotation, InvalidOption | TokenStoreError> =>
    Stream.unwrap(Effect.map(checkOptions(options, rotateChecks), () => rotate(rows, cipher, options))),
  /** How many payloads each encryption key has sealed: a key with none can be dropped for certain. */
  report: (rows: SealedRows): Effect.Effect<ReadonlyArray<SealedBy>, TokenStoreError> => asked(rows.count)
}

/** What each option of `rotate` has to be. */
const rotateChecks = {
  after: string,
  batch: integer(1, 10_000),
  plain: boolean
} satisfies Checks<RotateOptions>

const rotate = (
  rows: SealedRows,
  cipher: TokenCipher["Type"],
  { after, batch = 100, plain = false }: RotateOptions = {}
): Stream.Stream<Rotation, TokenStoreError> => {
  const move = Effect.fnUntraced(function* ({ key, generation, payload }: SealedRow) {
    const bound = { key, generation }
    const opened = yield* open(cipher, payload, bound, plain)
    if (opened === undefined) return "undecryptable" as const
    const to = yield* cipher.seal(opened, bound)
    if ((yield* cipher.open(to, bound)) !== opened) return "undecryptable" as const
    const done = yield* asked(rows.reseal(key, { generation, from: payload, to }))
    return done ? ("moved" as const) : ("skipped" as const)
  })

  return Stream.unwrap(
    Effect.gen(function* () {
      const except = yield* cipher.current
      const counts = yield* asked(rows.count)
      const total = counts.reduce((sum, { keyId, rows }) => (keyId === except ? sum : sum + rows), 0)
      const start: Rotation = { after, total, moved: 0, skipped: 0, undecryptable: 0, setAside: [] }
      return Stream.paginateChunkEffect(start, (last) =>
        Effect.gen(function* () {
          const page = yield* asked(rows.page({ after: last.after, except, limit: batch }))
          const outcomes = yield* Effect.forEach(page, move, { concurrency: 4 })
          const many = (what: (typeof outcomes)[number]) => outcomes.filter((outcome) => outcome === what).length
          const next: Rotation = {
            after: page.at(-1)?.key ?? last.after,
            total,
            moved: last.moved + many("moved"),
            skipped: last.skipped + many("skipped"),
            undecryptable: last.undecryptable + many("undecryptable"),
            setAside: page.filter((_, at) => outcomes[at] === "undecryptable").map(({ key }) => key)
          }
          return [Chunk.of(next), page.length < batch ? Option.none() : Option.some(next)]
        })
      )
    })
  )
}

const open = (
  cipher: TokenCipher["Type"],
  payload: string,
  bound: { key: string; generation: number },
  plain: boolean
) =>
  Effect.catchIf(
    cipher.open(payload, bound),
    (error) => error.reason === "undecryptable",
    () => Effect.succeed(plain && payload.startsWith("{") ? payload : undefined)
  )

const asked = <A>(effect: Effect.Effect<A, unknown>): Effect.Effect<A, TokenStoreError> =>
  Effect.mapError(effect, (error) => TokenStoreError.of(error))
