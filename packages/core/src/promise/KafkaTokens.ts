import * as Redacted from "effect/Redacted"
import { TokenRejected } from "../model/TokenError.js"
import type { TokenClient } from "./TokenClient.js"

/** An `authenticationProvider` of `kafkajs`. `Bytes` is Node's `Buffer`. */
export type KafkaTokens<Bytes> = (connection: { readonly saslAuthenticate: SaslAuthenticate<Bytes> }) => {
  readonly authenticate: () => Promise<void>
}

type SaslAuthenticate<Bytes> = (exchange: {
  readonly request: { readonly encode: () => Bytes }
  readonly response: { readonly decode: (raw: Uint8Array) => Bytes; readonly parse: (raw: Uint8Array) => string }
}) => Promise<unknown>

/**
 * What logs the connections of `kafkajs` in with the token of `client` (`OAUTHBEARER`, RFC 7628), also again before a
 * session ends. A token that the broker refuses is rejected, and `kafkajs` connects again by itself with a newer one, once:
 * where that is refused too, its call fails.
 */
export const kafkaTokens = <Bytes extends Uint8Array>(
  client: Pick<TokenClient, "get" | "reject">,
  buffer: { readonly from: (bytes: Uint8Array) => Bytes }
): KafkaTokens<Bytes> => {
  let refusals = 0
  return ({ saslAuthenticate }) => ({
    authenticate: async () => {
      const token = await client.get()
      const send = (text: string) =>
        saslAuthenticate({
          request: { encode: () => buffer.from(framed(text)) },
          response: { decode: (raw) => buffer.from(raw), parse }
        })
      const refusal = await send(
        `n,,${SEPARATOR}auth=Bearer ${Redacted.value(token.value)}${SEPARATOR}${SEPARATOR}`
      ).catch(asRefusal)
      if (!refusal) {
        refusals = 0
        return
      }
      await client.reject(token)
      // A broker that says why waits for this before it ends the exchange (RFC 7628 section 3.2.3).
      await send(SEPARATOR).catch(() => {})
      throw Object.assign(new TokenRejected(), { retriable: refusals++ === 0 })
    }
  })
}

const SEPARATOR = "\u0001"

/** `kafkajs` takes and gives bytes behind their number. */
const framed = (text: string): Uint8Array => {
  const bytes = new TextEncoder().encode(text)
  const frame = new Uint8Array(4 + bytes.length)
  new DataView(frame.buffer).setInt32(0, bytes.length)
  frame.set(bytes, 4)
  return frame
}
const parse = (raw: Uint8Array): string => new TextDecoder().decode(raw.subarray(4))

/** A broker may also refuse by an error at once; whatever else is thrown says nothing of the token. */
const asRefusal = (error: { readonly type?: unknown }): string => {
  if (error.type !== "SASL_AUTHENTICATION_FAILED") throw error
  return error.type
}
