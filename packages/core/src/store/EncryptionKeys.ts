// Longer than 200 lines: keys at hand and keys of a service, which one cipher takes for the same.

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import {
  type Checks,
  checkOptions,
  type DurationOption,
  duration,
  func,
  record,
  required,
  secret,
  text
} from "../model/Options.js"
import { InvalidOption, TokenStoreError } from "../model/TokenError.js"

/** Encryption keys at hand. */
export interface KeyRing {
  /** The id of the key that seals. */
  readonly current: string
  /** Every key that may still have something to open, by its id: 32 random bytes each, written as base64url. */
  readonly keys: Readonly<Record<string, Redacted.Redacted>>
}

/** A key management service, which wraps keys and keeps its own to itself. */
export interface KeyService<R1 = never, R2 = never> {
  /** Names the service's key that wraps now; kept with each ciphertext and counted by reports. */
  readonly id: string
  /** Wraps a data key, which is 32 bytes as base64url. */
  readonly wrap: (dataKey: Redacted.Redacted) => Effect.Effect<string, unknown, R1>
  /** Unwraps what the service's key `id` wrapped. A `TokenStoreError` says why it never will; all else passes. */
  readonly unwrap: (wrapped: string, id: string) => Effect.Effect<Redacted.Redacted, unknown, R2>
  /**
   * For how long one data key seals before a new one is wrapped.
   * @default "1 hour"
   */
  readonly reuse?: DurationOption | undefined
}

/** What a cipher asks for. */
export interface TokenKeys {
  readonly current: Effect.Effect<SealingKey, TokenStoreError>
  readonly find: (id: string, wrapped: string | undefined) => Effect.Effect<Option.Option<KeyBytes>, TokenStoreError>
}

type KeyBytes = Redacted.Redacted<Uint8Array>

interface SealingKey {
  readonly id: string
  readonly secret: KeyBytes
  /** The secret as the key service gave it, if one did. */
  readonly wrapped: string | undefined
}

/** What each part of a ring has to be. */
export const ringChecks = {
  current: required(text("the id of one of the keys")),
  keys: required(record("keys by id", required(secret("Redacted.make of 32 random bytes as base64url"))))
} satisfies Checks<KeyRing>

/** The keys of a ring, checked. */
export const ringKeys = Effect.fnUntraced(function* (ring: KeyRing): Effect.fn.Return<TokenKeys, InvalidOption> {
  yield* checkOptions(ring, ringChecks)
  const all = new Map<string, KeyBytes>()
  for (const [at, [id, secret]] of Object.entries(ring.keys).entries()) {
    const bytes = bytesOf(secret)
    if (bytes === undefined) {
      // Not told by its id: where a key was written without one, that is the key.
      return yield* new InvalidOption({ option: "keys", expected: `32 random bytes as base64url as key ${at + 1}` })
    }
    all.set(id, bytes)
  }
  const secret = all.get(ring.current)
  if (secret === undefined) {
    return yield* new InvalidOption({ option: "current", expected: "the id of one of the keys" })
  }
  return {
    current: Effect.succeed({ id: ring.current, secret, wrapped: undefined }),
    find: (id, wrapped) => Effect.succeed(Option.fromNullable(wrapped === undefined ? all.get(id) : undefined))
  }
})

/**
 * The keys that a configuration writes as `id=secret,id=secret`, the current one first. Errors name the configuration's
 * own name, such as the variable, and never what is written there.
 */
export const configuredKeys = (config?: Config.Config<Redacted.Redacted>): Effect.Effect<TokenKeys, InvalidOption> => {
  const wrong = (expected: string, option = config === undefined ? VARIABLE : "keys") =>
    new InvalidOption({ option, expected })
  return (config ?? Config.redacted(VARIABLE)).pipe(
    Effect.mapError((error) => wrong(WRITTEN, pathOf(error).join("_") || undefined)),
    Effect.flatMap((written) => {
      const entries = Redacted.value(written)
        .split(",")
        .map((entry) => entry.trim())
        .filter((entry) => entry !== "")
        .map((entry): readonly [string, string] => {
          const at = entry.indexOf("=")
          return [entry.slice(0, Math.max(0, at)), entry.slice(at + 1).replace(/=+$/, "")]
        })
      const [first] = entries
      if (first === undefined) return wrong(WRITTEN)
      // Where a key was written without an id, what stands before its padding is no id but the key.
      const unnamed = entries.findIndex(([id, secret]) => id === "" || secret === "")
      if (unnamed >= 0) return wrong(`an id before each key, as in 2026-09=…; key ${unnamed + 1} has none`)
      if (new Set(entries.map(([id]) => id)).size < entries.length) return wrong(`${WRITTEN}, with distinct ids`)
      const keys = Object.fromEntries(entries.map(([id, secret]) => [id, Redacted.make(secret)]))
      return Effect.mapError(ringKeys({ current: first[0], keys }), ({ expected }) => wrong(expected))
    })
  )
}

const VARIABLE = "EVERTOKEN_KEYS"
const WRITTEN = "encryption keys, the current one first, as 2026-09=…,2026-03=…: each is 32 random bytes as base64url"

const pathOf = (error: ConfigError.ConfigError): ReadonlyArray<string> =>
  "path" in error ? error.path : pathOf(error.left)

/** What each part of a key service has to be. */
export const serviceChecks = {
  id: required(text("the name of the key that wraps now")),
  wrap: required(func("a function that wraps a data key")),
  unwrap: required(func("a function that unwraps what `wrap` gave")),
  reuse: duration
} satisfies Checks<KeyService>

/** Keys that a key management service wraps. */
export const serviceKeys = <R1, R2>(service: KeyService<R1, R2>): Effect.Effect<TokenKeys, InvalidOption, R1 | R2> =>
  Effect.gen(function* () {
    yield* checkOptions(service, serviceChecks)
    const { id, reuse = "1 hour", unwrap, wrap } = service
    const context = yield* Effect.context<R1 | R2>()
    const lasts = Duration.toMillis(reuse)
    const opened = new Map<string, KeyBytes>()
    const wrapping = new Map<string, Deferred.Deferred<SealingKey, TokenStoreError>>()
    const unwrapping = new Map<string, Deferred.Deferred<Option.Option<KeyBytes>, TokenStoreError>>()
    let sealing: (SealingKey & { readonly at: number }) | undefined

    const make = Effect.gen(function* () {
      const at = yield* Clock.currentTimeMillis
      const bytes = crypto.getRandomValues(new Uint8Array(32))
      const wrapped = yield* passing(() => wrap(Redacted.make(Encoding.encodeBase64Url(bytes))))
      remember(opened, `${id} ${wrapped}`, Redacted.make(bytes))
      sealing = { id, secret: Redacted.make(bytes), wrapped, at }
      return sealing
    })
    const current = Effect.flatMap(Clock.currentTimeMillis, (now) =>
      sealing !== undefined && sealing.at <= now && now < sealing.at + lasts
        ? Effect.succeed(sealing)
        : shared(wrapping, id, make)
    )
    const find = (by: string, wrapped: string | undefined) =>
      Effect.suspend(() => {
        if (wrapped === undefined) return Effect.succeedNone
        const name = `${by} ${wrapped}`
        const known = opened.get(name)
        if (known !== undefined) return Effect.succeedSome(known)
        const unwrapped = passing(() => Effect.map(unwrap(wrapped, by), bytesOf))
        const opening = Effect.map(unwrapped, (bytes) => {
          if (bytes !== undefined) remember(opened, name, bytes)
          return Option.fromNullable(bytes)
        })
        return shared(unwrapping, name, opening)
      })
    return {
      current: Effect.provide(current, context),
      find: (by, wrapped) => Effect.provide(find(by, wrapped), context)
    }
  })

/** One run of `effect` for all who ask for `name` at the same time. It goes on although some of them stop waiting. */
const shared = <A, R>(
  under: Map<string, Deferred.Deferred<A, TokenStoreError>>,
  name: string,
  effect: Effect.Effect<A, TokenStoreError, R>
): Effect.Effect<A, TokenStoreError, R> =>
  Effect.uninterruptibleMask((restore) => {
    const known = under.get(name)
    if (known !== undefined) return restore(Deferred.await(known))
    const made = Deferred.unsafeMake<A, TokenStoreError>(FiberId.none)
    under.set(name, made)
    const done = Effect.ensuring(
      Effect.intoDeferred(Effect.interruptible(effect), made),
      Effect.sync(() => under.delete(name))
    )
    return Effect.zipRight(Effect.forkDaemon(done), restore(Deferred.await(made)))
  })

const MOST_OPENED = 1_000

const remember = (opened: Map<string, KeyBytes>, name: string, bytes: KeyBytes) => {
  opened.set(name, bytes)
  for (const oldest of opened.keys()) if (opened.size > MOST_OPENED) opened.delete(oldest)
}

/** What a key service does, bounded in time. Whatever goes wrong in it passes, unless it says itself that it does not. */
const passing = <A, R>(effect: () => Effect.Effect<A, unknown, R>): Effect.Effect<A, TokenStoreError, R> =>
  Effect.suspend(effect).pipe(
    Effect.disconnect,
    Effect.timeout(LONGEST_CALL),
    Effect.catchAllCause((cause) => {
      const error = Cause.squash(cause)
      return error instanceof TokenStoreError
        ? error
        : new TokenStoreError({ reason: "unreachable", detail: "the key service failed" })
    })
  )

const LONGEST_CALL = Duration.seconds(10)

const bytesOf = (secret: Redacted.Redacted): KeyBytes | undefined => {
  const bytes = Either.getOrUndefined(Encoding.decodeBase64Url(Redacted.value(secret).replace(/=+$/, "")))
  return bytes?.length === 32 ? Redacted.make(bytes) : undefined
}
