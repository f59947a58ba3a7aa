import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { type Check, kind } from "../model/Options.js"

/** `value` as a URL that secrets may go to: `https`, or `http` on the loopback, without credentials in it. */
export const safeUrl = (value: unknown): Option.Option<URL> =>
  Option.filter(
    Predicate.isString(value) ? parse(value) : Option.none(),
    ({ hostname, password, protocol, username }) =>
      username === "" && password === "" && (protocol === "https:" || (protocol === "http:" && isLoopback(hostname)))
  )

/** What secrets may be sent to. */
export const endpoint: Check = kind("an https URL without credentials in it (http on the loopback only)", (value) =>
  Option.isSome(safeUrl(value))
)

/** Whether a host, as a URL or an address has it, is this machine, so that nobody listens on the way to it. */
export const isLoopback = (host: string): boolean =>
  /^(?:(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|::1|\[::1\])$/.test(host)

const parse = Option.liftThrowable((value: string) => new URL(value))
