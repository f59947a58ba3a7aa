import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import { TokenStoreError } from "../model/TokenError.js"
import { TokenEvent } from "../model/TokenEvent.js"
import type { TokenSet } from "../model/TokenSet.js"
import type { TokenStore } from "../store/TokenStore.js"
import { type Current, dueIn, newOwner, renumbered, type Slot, type Unsaved } from "./Connection.js"

/** How tokens get from memory into the store. */
export interface Saving {
  /**
   * Tries once to save what is unsaved, beside all others that try; false where somebody saved newer tokens or removed
   * the row.
   */
  readonly save: (slot: Slot) => Effect.Effect<boolean, TokenStoreError>
  /** Goes on to save what is unsaved until that works or the provider closes: one fiber a key, in the background. */
  readonly keepSaving: (slot: Slot) => Effect.Effect<void>
  /**
   * Puts the tokens of `current` over a row of the older generation `over`, as a store gives it that lost commits: a
   * replica that was behind, a restored backup. None where the row has changed meanwhile.
   */
  readonly restore: (slot: Slot, current: Current, over: number) => Effect.Effect<Current | undefined, TokenStoreError>
}

export const makeSaving = (
  store: TokenStore["Type"],
  lasts: number,
  emit: (event: TokenEvent) => Effect.Effect<unknown>,
  revoke: (slot: Slot, tokens: TokenSet) => Effect.Effect<void>
): Saving => {
  /**
   * Where another took the lease over and let go of it without newer tokens, a new lease is taken, since nobody else
   * has what a spent refresh token brought.
   */
  const commit = Effect.fnUntraced(function* (slot: Slot, unsaved: Unsaved) {
    const { key } = slot
    if (yield* store.commit(key, unsaved)) return true
    const owner = yield* newOwner
    const request = { owner, known: unsaved.generation, lasts, presents: false, force: true }
    const record = Option.getOrUndefined(yield* store.lease(key, request))
    if (record?.leaseOwner === owner) return yield* store.commit(key, { ...unsaved, owner })
    if (record?.generation === unsaved.generation) {
      return yield* new TokenStoreError({ reason: "unreachable", key, detail: "another process has the lease" })
    }
    if (record === undefined) yield* revoke(slot, unsaved.tokens)
    else if (record.generation < unsaved.generation) {
      const known = { generation: unsaved.generation + 1, tokens: unsaved.tokens, dueIn: unsaved.dueIn }
      const generation = yield* putBack(slot, known, record.generation)
      if (generation !== undefined && slot.current?.tokens === unsaved.tokens) {
        slot.current = renumbered(slot.current, generation)
      }
      return generation !== undefined
    }
    return false
  })

  const putBack = Effect.fnUntraced(function* (slot: Slot, known: Known, over: number) {
    const { key } = slot
    const generation = Option.getOrUndefined(yield* store.restore(key, { ...known, over }))
    if (generation === undefined) return undefined
    const lost = `The store had generation ${over} of "${key}" after it had taken ${known.generation}`
    yield* Effect.logWarning(`${lost}: it lost commits. The newer tokens are put back as ${generation}`)
    yield* emit(TokenEvent.Restored({ key, generation, over }))
    return generation
  })

  const restore = Effect.fnUntraced(function* (slot: Slot, current: Current, over: number) {
    const { tokens, token } = current
    const known = { generation: token.generation, tokens, dueIn: yield* dueIn(slot, current) }
    const generation = yield* putBack(slot, known, over)
    return generation === undefined ? undefined : renumbered(current, generation)
  })

  const attempt = Effect.fnUntraced(function* (slot: Slot, unsaved: Unsaved) {
    const saved = yield* Effect.either(commit(slot, unsaved))
    if (slot.unsaved !== unsaved) return yield* saved
    if (Either.isLeft(saved)) {
      slot.unsaved = { ...unsaved, late: true }
      return yield* saved.left
    }
    slot.unsaved = undefined
    slot.owner = undefined
    if (saved.right && unsaved.late) {
      yield* emit(TokenEvent.Saved({ key: slot.key, generation: unsaved.generation + 1 }))
    }
    // Overtaken, or saved before and the answer lost: the row is the truth.
    if (!saved.right && slot.current?.tokens === unsaved.tokens) slot.current = undefined
    return saved.right
  })

  const save = (slot: Slot): Effect.Effect<boolean, TokenStoreError> =>
    Effect.suspend(() => {
      if (slot.unsaved === undefined) return Effect.succeed(true)
      if (slot.saving !== undefined) return Deferred.await(slot.saving)
      const saving = Deferred.unsafeMake<boolean, TokenStoreError>(FiberId.none)
      slot.saving = saving
      return Effect.flatMap(Effect.exit(attempt(slot, slot.unsaved)), (exit) => {
        slot.saving = undefined
        return Effect.zipRight(Deferred.done(saving, exit), exit)
      })
    }).pipe(Effect.uninterruptible)

  const saver = Effect.fnUntraced(function* (slot: Slot) {
    for (let rest = SHORTEST; slot.unsaved !== undefined; rest = Math.min(rest * 2, LONGEST)) {
      yield* slot.hint(rest * (yield* Random.nextRange(0.5, 1)))
      yield* Effect.ignore(save(slot))
    }
  })

  const keepSaving = (slot: Slot) =>
    Effect.suspend(() => {
      if (slot.hasSaver || slot.unsaved === undefined) return Effect.void
      slot.hasSaver = true
      const done = Effect.sync(() => {
        slot.hasSaver = false
      })
      return Effect.asVoid(Effect.forkDaemon(Effect.interruptible(Effect.ensuring(Effect.exit(saver(slot)), done))))
    })

  return { save, keepSaving, restore }
}

/** Tokens that the store once took as `generation`. */
interface Known {
  readonly generation: number
  readonly tokens: TokenSet
  readonly dueIn: number | undefined
}

const SHORTEST = Duration.toMillis("100 millis")
const LONGEST = Duration.toMillis("1 second")
