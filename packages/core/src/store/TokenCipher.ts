import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type InvalidOption, TokenStoreError } from "../model/TokenError.js"
import {
  configuredKeys,
  type KeyRing,
  type KeyService,
  ringKeys,
  serviceKeys,
  type TokenKeys
} from "./EncryptionKeys.js"

/** Authenticated encryption of one row's payload. What was sealed for another key or generation does not open. */
export class TokenCipher extends Context.Tag("@evertoken/core/TokenCipher")<
  TokenCipher,
  {
    /** The id of the encryption key that seals now. */
    readonly current: Effect.Effect<string, TokenStoreError>
    /** Seals `payload` for the row that `bound` names. */
    readonly seal: (payload: string, bound: Binding) => Effect.Effect<string, TokenStoreError>
    /** Opens what any key at hand sealed for this row; anything else fails as `undecryptable`. */
    readonly open: (sealed: string, bound: Binding) => Effect.Effect<string, TokenStoreError>
  }
>() {
  /** A cipher over keys at hand: the current one seals, all of them open. */
  static readonly make = (ring: KeyRing): Effect.Effect<TokenCipher["Type"], InvalidOption> =>
    Effect.map(ringKeys(ring), over)

  /** The same as a layer. */
  static readonly layer = (ring: KeyRing): Layer.Layer<TokenCipher, InvalidOption> =>
    Layer.effect(TokenCipher, TokenCipher.make(ring))

  /**
   * A cipher over keys from the configuration, by default the variable `EVERTOKEN_KEYS`, written
   * `2026-09=…,2026-03=…`: the first seals, all open.
   *
   * @example
   * ```ts
   * // EVERTOKEN_KEYS=2026-11=…,2026-05=…
   * const Store = SqlTokenStore.layer({ encryption: TokenCipher.config() })
   * ```
   */
  static readonly config = (
    config?: Config.Config<Redacted.Redacted>
  ): Effect.Effect<TokenCipher["Type"], InvalidOption> => Effect.map(configuredKeys(config), over)

  /** The same as a layer. */
  static readonly layerConfig = (config?: Config.Config<Redacted.Redacted>): Layer.Layer<TokenCipher, InvalidOption> =>
    Layer.effect(TokenCipher, TokenCipher.config(config))

  /**
   * A cipher whose keys a key management service wraps. Each ciphertext carries its own data key, wrapped; the service
   * is asked once for each data key, not once for each token.
   */
  static readonly service = <R1 = never, R2 = never>(
    service: KeyService<R1, R2>
  ): Effect.Effect<TokenCipher["Type"], InvalidOption, R1 | R2> => Effect.map(serviceKeys(service), over)

  /** The id of the key that sealed a payload; none where no cipher of this module did. */
  static readonly keyId = (payload: string): Option.Option<string> =>
    Option.map(headerOf(payload), (header) => header.kid)
}

/** The row a ciphertext belongs to. */
export interface Binding {
  readonly key: string
  readonly generation: number
}

const over = (keys: TokenKeys): TokenCipher["Type"] => ({
  current: Effect.map(keys.current, ({ id }) => id),
  seal: Effect.fnUntraced(function* (payload, { key, generation }) {
    const { id, secret, wrapped } = yield* keys.current
    const header = {
      alg: "dir",
      enc: "A256GCM",
      kid: id,
      key,
      generation,
      ...(wrapped === undefined ? {} : { wrapped })
    }
    return yield* Effect.tryPromise({
      try: async () => {
        const { CompactEncrypt } = await import("jose")
        const plain = new TextEncoder().encode(payload)
        return new CompactEncrypt(plain).setProtectedHeader(header).encrypt(Redacted.value(secret))
      },
      catch: () => new TokenStoreError({ reason: "unreachable", key, detail: "sealing failed" })
    })
  }),
  open: Effect.fnUntraced(function* (sealed, { key, generation }) {
    const undecryptable = (detail: string) => new TokenStoreError({ reason: "undecryptable", key, detail })
    const header = Option.getOrUndefined(headerOf(sealed))
    if (header === undefined) return yield* undecryptable("it is not encrypted, or not by this cipher")
    const secret = Option.getOrUndefined(yield* keys.find(header.kid, header.wrapped))
    const by = /^[\w.:/@+-]{1,100}$/.test(header.kid) ? `the key "${header.kid}"` : "a key"
    if (secret === undefined) return yield* undecryptable(`it was sealed by ${by}, which is not at hand`)
    // The header is trusted once the tag over it was checked. The errors of jose are not: they may tell of the content.
    const plain = yield* Effect.tryPromise({
      try: async () => {
        const { compactDecrypt } = await import("jose")
        return compactDecrypt(sealed, Redacted.value(secret), ONLY)
      },
      catch: () => undecryptable(`${by} does not open it`)
    })
    if (header.key !== key || header.generation !== generation) {
      return yield* undecryptable("it was sealed for another key or generation")
    }
    return new TextDecoder().decode(plain.plaintext)
  })
})

const ONLY = { keyManagementAlgorithms: ["dir"], contentEncryptionAlgorithms: ["A256GCM"] }

const Header = Schema.Struct({
  kid: Schema.String,
  key: Schema.String,
  generation: Schema.Number,
  wrapped: Schema.optional(Schema.String)
})
const decodeHeader = Schema.decodeUnknownOption(Schema.parseJson(Header))
const headerOf = (sealed: string): Option.Option<typeof Header.Type> =>
  Option.flatMap(Option.getRight(Encoding.decodeBase64UrlString(sealed.split(".")[0] ?? "")), (json) =>
    decodeHeader(json)
  )
