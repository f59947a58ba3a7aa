import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/** Where a list goes on: how the keys of its range begin, and the last key that was looked at. */
const Position = Schema.Struct({ prefix: Schema.String, after: Schema.String })
export type Position = typeof Position.Type

/**
 * Writes positions so that nobody can read them, put them in order, or use those of another caller: the last key may be
 * one that the caller may not watch. `secret` is what all services on one database share; without, only the process that
 * wrote a cursor reads it.
 */
export const makeCursors = (secret: Option.Option<Redacted.Redacted>) => {
  const key = createHash("sha256")
    .update(Option.match(secret, { onNone: () => randomBytes(32), onSome: (text) => `cursor ${Redacted.value(text)}` }))
    .digest()
  return {
    write: (caller: string, position: Position): string => {
      const nonce = randomBytes(12)
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(caller))
      const text = encode(position)
      // Neither does its length tell how long the key is.
      const padded = text.padEnd(Math.ceil(Buffer.byteLength(text) / 256) * 256 - Buffer.byteLength(text) + text.length)
      const sealed = Buffer.concat([cipher.update(padded, "utf8"), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64url")
    },
    read: Option.liftThrowable((caller: string, cursor: string): Position => {
      const bytes = Buffer.from(cursor, "base64url")
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12), { authTagLength: 16 })
      decipher.setAAD(Buffer.from(caller)).setAuthTag(bytes.subarray(12, 28))
      return decode(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString("utf8"))
    })
  }
}

const PositionJson = Schema.parseJson(Position)
const encode = Schema.encodeSync(PositionJson)
const decode = Schema.decodeSync(PositionJson)
