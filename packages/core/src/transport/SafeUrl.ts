import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { type Check, kind } from "../model/Options.js"

/** `value` as a URL that secrets may go to: `https`, or `http` on the loopback, without credentials in it. */
export const safeUrl = (value: unknown): Option.Option<URL> =>
  Option.filter(
    Predicate.isString(value) ? parse(value) : Option.none(),
    ({ hostname, password, protocol, username }) =>
      username === "" && password === "" && (protocol === "https:" || (protocol === "http:" && LOOPBACK.test(hostname)))
  )

/** What secrets may be sent to. */
export const endpoint: Check = kind("an https URL without credentials in it (http on the loopback only)", (value) =>
  Option.isSome(safeUrl(value))
)

const parse = Option.liftThrowable((value: string) => new URL(value))
const LOOPBACK = /^(?:(?:.+\.)?localhost|127(?:\.\d+){3}|\[::1\])$/
