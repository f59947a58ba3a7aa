import { Option, Predicate } from "effect"

/** `value` as a URL that secrets may go to: `https`, or `http` on the loopback, without credentials in it. */
export const safeUrl = (value: unknown): Option.Option<URL> =>
  Option.filter(
    Predicate.isString(value) ? parse(value) : Option.none(),
    ({ hostname, password, protocol, username }) =>
      username === "" && password === "" && (protocol === "https:" || (protocol === "http:" && LOOPBACK.test(hostname)))
  )

const parse = Option.liftThrowable((value: string) => new URL(value))
const LOOPBACK = /^(?:(?:.+\.)?localhost|127(?:\.\d+){3}|\[::1\])$/
