import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/**
 * Thrown where an `AccessToken` or one of its secrets is put into a text: a `Redacted` would quietly become `<redacted>`
 * there, and the resource server would answer 401.
 */
export class SecretInText extends Schema.TaggedError<SecretInText>()("SecretInText", {}) {
  override readonly message =
    "A token was put into a text, which would not have held it: use Redacted.value(token.value), or token() or header() of a TokenClient"
}

/** A `Redacted` that throws `SecretInText` where it is put into a text. Logs, inspection and JSON show `<redacted>`. */
export const secretOf = (value: string): Redacted.Redacted => Object.defineProperties(Redacted.make(value), NO_TEXT)

/**
 * Properties of an object that no text takes. Without `toString`, JavaScript asks `valueOf`; and Node's `%s`, which would
 * call a `toString` of one's own, inspects the object, so that a line of a log does not throw.
 */
export const NO_TEXT: PropertyDescriptorMap = {
  toString: { value: undefined },
  valueOf: {
    value: () => {
      throw new SecretInText()
    }
  }
}
